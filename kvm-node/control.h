/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest asked from outside: a local socket that answers `stat`, `pause`, `resume`, `reset`,
 * `stop` (the power button), `kill`, and joins `console`.
 *
 * The name is in the abstract name space, so nothing of it outlives the monitor. Only the same user is
 * answered, and only that one knows the name: not even root, whose number is in root's names. The console goes through here, too: what the guest prints is kept for who
 * joins later, goes on to OUT, and to all who have joined; what they type goes to the guest: to its
 * virtio console once it has printed there, before that, and after a reset, to the serial one.
 *
 * A thread of its own.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include "kvm-node/vmm.h"

struct vmm_control; /* incomplete */

/*
 * Binds NAME and makes the descriptors of the guest's consoles, for CONFIG. -EADDRINUSE where a
 * guest of that name runs.
 */
int vmm_control_create(struct vmm_control **out, const char *name, int out_fd,
		       struct vmm_config *config, dvm_error_t *err);
/* Answers from now on. */
int vmm_control_start(struct vmm_control *c, struct vmm *v);
/* Before the guest is destroyed: answers no more. */
void vmm_control_stop(struct vmm_control *c);
/* After it: the last of the console goes out, in a second at most. NULL is allowed. */
void vmm_control_destroy(struct vmm_control *c);

/*
 * The other end: asks the guest NAME for WHAT, its answer on standard output. 0, or an error: of a ping,
 * after some seconds, where the guest is still being made.
 */
int vmm_control_ask(const char *name, const char *what, dvm_error_t *err);

#endif
