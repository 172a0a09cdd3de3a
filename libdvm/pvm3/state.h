/* SPDX-License-Identifier: BSD-3-Clause */
/* All that libpvm3 knows. PVM has no handles: there is one of it in a process. */
#ifndef PVMI_STATE_H
#define PVMI_STATE_H

#include "libdvm/pvm3/pvm.h"

struct pvmi_state {
	int tid; /* 0: no task */
	int auto_err;
};

extern struct pvmi_state pvmi;

#endif
