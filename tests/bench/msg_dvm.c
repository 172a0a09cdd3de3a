/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/bench/msg: libdvm. */
#include <dvm/coll.h>
#include <dvm/dvm.h>
#include <dvm/msg.h>
#include <dvm/rma.h>

#include "tests/bench/msg.h"

const unsigned msg_sys_caps = MSG_P2P | MSG_COLL | MSG_RMA;
const struct msg_case msg_sys_cases[] = { { .name = NULL } };

static dvm_t *dvm;
static dvm_group_t *world;
static dvm_win_t *win;
static dvm_req_t *reqs[MSG_WINDOW];

static inline void check(int rc, const char *what)
{
	if (rc < 0)
		msg_die(what, dvm_strerror(rc));
}

void sys_open(int *argc, char ***argv)
{
	dvm_error_t err;

	if (dvm_open(&dvm, NULL, &err) < 0)
		msg_die("dvm_open", err.text);
	world = dvm_world(dvm);
}

int sys_rank(void)
{
	return dvm_rank(dvm);
}

int sys_size(void)
{
	return dvm_size(dvm);
}

void sys_close(void)
{
	check(dvm_close(dvm), "dvm_close");
}

void sys_send(const void *buf, size_t len, int to)
{
	check(dvm_send(world, buf, len, to, 1), "dvm_send");
}

void sys_recv(void *buf, size_t len, int from)
{
	check(dvm_recv(world, buf, len, from, 1, NULL), "dvm_recv");
}

void sys_isend(int slot, const void *buf, size_t len, int to)
{
	check(dvm_isend(world, buf, len, to, 1, &reqs[slot]), "dvm_isend");
}

void sys_irecv(int slot, void *buf, size_t len, int from)
{
	check(dvm_irecv(world, buf, len, from, 1, &reqs[slot]), "dvm_irecv");
}

void sys_waitall(int n)
{
	check(dvm_waitall(reqs, (size_t)n, NULL), "dvm_waitall");
}

void sys_barrier(void)
{
	check(dvm_barrier(world), "dvm_barrier");
}

void sys_bcast(void *buf, size_t len, int root)
{
	check(dvm_bcast(world, buf, len, root), "dvm_bcast");
}

void sys_allreduce(const double *in, double *out, size_t count)
{
	check(dvm_allreduce(world, in, out, count, DVM_DOUBLE, DVM_SUM), "dvm_allreduce");
}

void sys_alltoall(const void *in, size_t len, void *out)
{
	check(dvm_alltoall(world, in, len, out), "dvm_alltoall");
}

void sys_win_open(size_t len)
{
	check(dvm_win_allocate(world, len, &win), "dvm_win_allocate");
}

void sys_win_close(void)
{
	check(dvm_win_free(win), "dvm_win_free");
}

void sys_put8(uint64_t value, int to)
{
	check(dvm_put(win, &value, sizeof value, to, 0), "dvm_put");
	check(dvm_win_flush(win, to), "dvm_win_flush");
}

uint64_t sys_add8(uint64_t value, int to)
{
	uint64_t old;

	check(dvm_fetch_op(win, &value, &old, DVM_UINT64, DVM_SUM, to, 0), "dvm_fetch_op");
	return old;
}
