/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/pvm3/state.h"

struct pvmi_state pvmi = {
	.auto_err = 1,
};

int pvmi_tid(void)
{
	return pvmi.tid;
}
