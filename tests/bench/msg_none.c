/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/bench/msg: what systems that only send and receive lack; their capabilities say so. */
#include "tests/bench/msg.h"

void sys_barrier(void)
{
}

void sys_bcast(void *buf, size_t len, int root)
{
}

void sys_allreduce(const double *in, double *out, size_t count)
{
}

void sys_alltoall(const void *in, size_t len, void *out)
{
}

void sys_win_open(size_t len)
{
}

void sys_win_close(void)
{
}

void sys_put8(uint64_t value, int to)
{
}

uint64_t sys_add8(uint64_t value, int to)
{
	return 0;
}
