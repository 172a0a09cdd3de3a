/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The consoles of a guest, serial and virtio, as the control socket has them: a pipe each way. What the
 * guest prints goes to OUT and to whoever hears it, and the last of it is kept for who joins later.
 */
#ifndef VMM_CONSOLES_H
#define VMM_CONSOLES_H

#include <sys/types.h>

#include "kvm-node/loop.h"
#include "kvm-node/vmm.h"

struct vmm_consoles; /* incomplete */

typedef void vmm_printed_fn(void *arg, const void *p, size_t n);
typedef void vmm_room_fn(void *arg);

/*
 * FN hears what is printed, ROOM when what is typed may fit again. OUT: where it goes, too; -1: nowhere.
 * CONFIG gets the guest's ends.
 */
int vmm_consoles_create(struct vmm_consoles **out, int out_fd, struct vmm_config *config,
			vmm_printed_fn *fn, vmm_room_fn *room, void *arg, dvm_error_t *err);
/* From now on, by LOOP. */
int vmm_consoles_start(struct vmm_consoles *c, struct vmm_loop *loop);
/* The loop has stopped: what is left is heard first. NULL is allowed. */
void vmm_consoles_destroy(struct vmm_consoles *c);

/* What was printed lately, piece by piece. */
void vmm_consoles_replay(const struct vmm_consoles *c, vmm_printed_fn *fn, void *arg);
/*
 * How much of it fits: a guest that does not read has 64 KiB of it waiting. The caller keeps the rest,
 * and hears when to try again. -EPIPE: the guest has gone.
 */
ssize_t vmm_consoles_type(struct vmm_consoles *c, const void *p, size_t n);

#endif
