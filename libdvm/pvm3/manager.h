/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The resource manager, a task that others ask instead of the service (pvm_reg_rm()): with the
 * messages that PVM has for that, each answered by one of the same tag and wait id.
 */
#ifndef PVMI_MANAGER_H
#define PVMI_MANAGER_H

#include "libdvm/pvm3/state.h"

#define PVMI_NO_MANAGER (1 << 30) /* there is none, or it has ended: the service is to be asked */

/* Whether there is one, and we are not it. */
bool pvmi_managed(void);
/* An empty body of a question. NULL without memory. */
struct pvmi_msg *pvmi_manager_body(void);
void pvmi_put_int(struct pvmi_msg *m, int v);
int pvmi_get_int(struct pvmi_msg *m);
/* The next string, to be freed by the caller; NULL: there is none. */
char *pvmi_get_str(struct pvmi_msg *m);
/*
 * Asks the manager TAG with BODY, which is freed, and waits for the answer *REPLY, to be freed with
 * pvmi_drop(); REPLY may be NULL: nothing is answered. 0, PVMI_NO_MANAGER or a code.
 */
int pvmi_ask_manager(int tag, struct pvmi_msg *body, struct pvmi_msg **reply);

#endif
