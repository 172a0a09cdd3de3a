/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/pvm3/state.h"

int pvmdebmask;

struct pvmi_state pvmi = {
	.auto_err = 1,
	.route = PvmAllowDirect,
	.frag_size = 4080,
	.show_tids = 1,
	.fd = -1,
};

int pvmi_tid(void)
{
	return pvmi.tid;
}
