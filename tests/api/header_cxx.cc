// SPDX-License-Identifier: BSD-3-Clause
// The installed headers as C++, linked against the C library.
#include <dvm/coll.h>
#include <dvm/am.h>
#include <dvm/cart.h>
#include <dvm/connect.h>
#include <dvm/ft.h>
#include <dvm/group.h>
#include <dvm/rma.h>
#include <dvm/sync.h>
#include <dvm/msg.h>
#include <dvm/dvm.h>
#include <dvm/dynamic.h>
#include <dvm/layout.h>
#include <dvm/pack.h>
#include <dvm/error.h>

int main()
{
	dvm_t *d = nullptr;
	double sum = 0, one = 1;

	if (dvm_open(&d, nullptr, nullptr) < 0)
		return 1;
	int rc = dvm_allreduce(dvm_world(d), &one, &sum, 1, DVM_DOUBLE, DVM_SUM);
	return dvm_close(d) < 0 || rc < 0 || sum != 1;
}
