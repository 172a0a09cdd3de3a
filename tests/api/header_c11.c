/* SPDX-License-Identifier: BSD-3-Clause */
/* The installed headers as strict C11, each usable without the others' help. */
#include <dvm/am.h>
#include <dvm/cart.h>
#include <dvm/connect.h>
#include <dvm/ft.h>
#include <dvm/group.h>
#include <dvm/sync.h>
#include <dvm/rma.h>
#include <dvm/msg.h>
#include <dvm/coll.h>
#include <dvm/layout.h>
#include <dvm/pack.h>
#include <dvm/error.h>
#include <dvm/dvm.h>
#include <dvm/dynamic.h>

int main(void)
{
	dvm_config_t cfg = { .size = sizeof cfg };
	dvm_t *d;

	if (dvm_open(&d, &cfg, NULL) < 0)
		return 1;
	int rc = dvm_barrier(dvm_world(d));
	return dvm_close(d) < 0 || rc < 0;
}
