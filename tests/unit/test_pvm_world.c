/* SPDX-License-Identifier: BSD-3-Clause */
/* The world of PVM, driven by frames: what tasks ask, what they are told, and what ends with whom. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pvm/world.h"
#include "daemon/pvm/xdr.h"
#include "pvm3.h"
#include "pvmproto.h"
#include "tests/unit/cm.h"

#define TOLD 64

/* What the engine has said to one task or agent. */
struct told {
	int tid;
	uint32_t host;
	uint16_t type;
	uint32_t id;
	int code;
	struct dvmi_buf body;
};

struct play {
	struct pvm_world *w;
	struct told told[TOLD];
	int n;
	uint32_t spawns, last_spawn, count;
	char hosts[200], nonce[40];
	int idle, changes, hostings;
	uint32_t change;
};

static struct told *next(struct play *p)
{
	assert_true(p->n < TOLD);
	return &p->told[p->n++];
}

static void to_task(void *arg, int tid, uint16_t type, uint32_t id, int code,
		    const struct dvmi_buf *body)
{
	struct told *t = next(arg);

	*t = (struct told){ .tid = tid, .type = type, .id = id, .code = code };
	if (body)
		dvmi_buf_put(&t->body, body->data, body->len);
}

static void to_agent(void *arg, uint32_t host, uint16_t type, uint32_t id, int code,
		     const struct dvmi_buf *body)
{
	struct told *t = next(arg);

	*t = (struct told){ .host = host, .type = type, .id = id, .code = code };
	if (body)
		dvmi_buf_put(&t->body, body->data, body->len);
}

static void on_spawn(void *arg, const struct pvm_order *order)
{
	struct play *p = arg;

	p->spawns++;
	p->last_spawn = order->id;
	p->count = order->count;
	snprintf(p->hosts, sizeof p->hosts, "%s", order->hosts);
	snprintf(p->nonce, sizeof p->nonce, "%s", order->nonce);
}

static void on_change(void *arg, uint32_t id, bool add, const char *name)
{
	struct play *p = arg;

	(void)add;
	(void)name;
	p->changes++;
	p->change = id;
}

static const char *host_command(void *arg)
{
	(void)arg;
	return "command";
}

static void on_hosting(void *arg)
{
	((struct play *)arg)->hostings++;
}

static void on_halt(void *arg)
{
	(void)arg;
}

static void on_idle(void *arg)
{
	((struct play *)arg)->idle++;
}

static void forget(struct play *p)
{
	for (int i = 0; i < p->n; i++)
		dvmi_buf_free(&p->told[i].body);
	p->n = 0;
}

static void begin(struct play *p)
{
	static const struct pvm_world_ops ops = { .to_task = to_task,
						  .to_agent = to_agent,
						  .spawn = on_spawn,
						  .change_host = on_change,
						  .host_command = host_command,
						  .hosting = on_hosting,
						  .halt = on_halt,
						  .idle = on_idle };

	*p = (struct play){ 0 };
	assert_int_equal(pvm_world_create(&p->w, &ops, p), 0);
	assert_int_equal(pvm_world_host_up(p->w, "a"), 1);
	assert_int_equal(pvm_world_host_up(p->w, "b"), 2);
}

static void end(struct play *p)
{
	forget(p);
	pvm_world_destroy(p->w);
}

/* A task at HOST with RANK: its id, which the agent is told. */
static int enrol(struct play *p, uint32_t host, uint32_t rank)
{
	struct dvmi_reader r;

	forget(p);
	pvm_world_enrol(p->w, host, 5, rank, 100 + (int)rank, "");
	assert_int_equal(p->n, 1);
	assert_int_equal(p->told[0].type, PVMI_ENROLLED);
	assert_int_equal(p->told[0].host, host);
	dvmi_reader_init(&r, p->told[0].body.data, p->told[0].body.len);
	assert_int_equal(dvmi_get_u32(&r), rank);
	int tid = (int)dvmi_get_u32(&r);
	forget(p);
	return tid;
}

static void ask(struct play *p, int tid, uint16_t type, struct dvmi_buf *args)
{
	struct dvmi_reader r;

	dvmi_reader_init(&r, args->data, args->len);
	pvm_world_ask(p->w, tid, type, 9, &r);
	dvmi_buf_free(args);
}

/* The code of the only thing that was said, an answer to TID. */
static int answer(struct play *p, int tid)
{
	assert_int_equal(p->n, 1);
	assert_int_equal(p->told[0].type, PVMI_ANSWER);
	assert_int_equal(p->told[0].tid, tid);
	assert_int_equal(p->told[0].id, 9);
	int code = p->told[0].code;
	forget(p);
	return code;
}

static void test_ids(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	assert_int_equal(enrol(&p, 1, 0), 0x40001);
	assert_int_equal(enrol(&p, 1, 1), 0x40002);
	assert_int_equal(enrol(&p, 2, 1024), 0x80001);
	pvm_world_exit(p.w, 1, 0, true);
	assert_int_equal(enrol(&p, 1, 2), 0x40003); /* no id is given again */
	end(&p);
}

static int group(struct play *p, int tid, int op, const char *name, int a)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, (uint32_t)op);
	dvmi_buf_put_str(&b, name);
	dvmi_buf_put_u32(&b, (uint32_t)a);
	dvmi_buf_put_u32(&b, 0);
	ask(p, tid, PVMI_GROUP, &b);
	return p->n ? answer(p, tid) : 1000; /* 1000: not yet */
}

static void test_groups(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), y = enrol(&p, 1, 1), z = enrol(&p, 2, 1024);
	assert_int_equal(group(&p, x, PVMI_GROUP_SIZE, "g", 0), PvmNoGroup);
	assert_int_equal(group(&p, x, PVMI_GROUP_JOIN, "", 0), PvmNullGroup);
	assert_int_equal(group(&p, x, PVMI_GROUP_JOIN, "g", 0), 0);
	assert_int_equal(group(&p, x, PVMI_GROUP_JOIN, "g", 0), PvmDupGroup);
	assert_int_equal(group(&p, y, PVMI_GROUP_JOIN, "g", 0), 1);
	assert_int_equal(group(&p, z, PVMI_GROUP_JOIN, "g", 0), 2);
	assert_int_equal(group(&p, y, PVMI_GROUP_LEAVE, "g", 0), 0);
	assert_int_equal(group(&p, x, PVMI_GROUP_TID, "g", 1), PvmNoInst);
	assert_int_equal(group(&p, x, PVMI_GROUP_TID, "g", 2), z);
	assert_int_equal(group(&p, x, PVMI_GROUP_INST, "g", y), PvmNotInGroup);
	assert_int_equal(group(&p, y, PVMI_GROUP_JOIN, "g", 0), 1); /* the lowest that is free */
	pvm_world_exit(p.w, 2, 1024, false);
	forget(&p);
	assert_int_equal(group(&p, x, PVMI_GROUP_SIZE, "g", 0), 2);
	end(&p);
}

static void test_barrier(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), y = enrol(&p, 1, 1), z = enrol(&p, 1, 2);
	group(&p, x, PVMI_GROUP_JOIN, "g", 0);
	group(&p, y, PVMI_GROUP_JOIN, "g", 0);
	assert_int_equal(group(&p, z, PVMI_GROUP_BARRIER, "g", 2), PvmNotInGroup);
	assert_int_equal(group(&p, x, PVMI_GROUP_BARRIER, "g", 0), PvmMismatch);
	assert_int_equal(group(&p, x, PVMI_GROUP_BARRIER, "g", 2), 1000);
	assert_int_equal(group(&p, y, PVMI_GROUP_BARRIER, "g", 3), PvmMismatch);
	struct dvmi_buf b = { 0 };
	dvmi_buf_put_u32(&b, PVMI_GROUP_BARRIER);
	dvmi_buf_put_str(&b, "g");
	dvmi_buf_put_u32(&b, 2);
	dvmi_buf_put_u32(&b, 0);
	ask(&p, y, PVMI_GROUP, &b);
	assert_int_equal(p.n, 2); /* both go on */
	assert_true(p.told[0].code == 0 && p.told[1].code == 0);
	end(&p);
}

static void put_box(struct play *p, int tid, const char *name, int index, int flags)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, PVMI_MBOX_PUT);
	dvmi_buf_put_str(&b, name);
	dvmi_buf_put_u32(&b, (uint32_t)index);
	dvmi_buf_put_u32(&b, (uint32_t)flags);
	dvmi_buf_put_u32(&b, 1);
	dvmi_buf_put_blob(&b, "v", 1);
	ask(p, tid, PVMI_MBOX, &b);
}

static void look_box(struct play *p, int tid, uint32_t op, const char *name, int flags)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, op);
	dvmi_buf_put_str(&b, name);
	dvmi_buf_put_u32(&b, 0);
	dvmi_buf_put_u32(&b, (uint32_t)flags);
	ask(p, tid, PVMI_MBOX, &b);
}

static void test_boxes(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), y = enrol(&p, 1, 1);
	put_box(&p, x, "kept", 0, PvmMboxPersistent);
	assert_int_equal(answer(&p, x), 0);
	put_box(&p, x, "own", 0, 0);
	assert_int_equal(answer(&p, x), 0);
	put_box(&p, y, "own", 0, 0);
	assert_int_equal(answer(&p, y), PvmDenied);
	look_box(&p, y, PVMI_MBOX_DEL, "own", 0);
	assert_int_equal(answer(&p, y), PvmDenied);
	look_box(&p, y, PVMI_MBOX_GET, "none", 0);
	assert_int_equal(answer(&p, y), PvmNotFound);
	pvm_world_exit(p.w, 1, 0, true);
	forget(&p);
	look_box(&p, y, PVMI_MBOX_GET, "own", 0);
	assert_int_equal(answer(&p, y), PvmNotFound);
	look_box(&p, y, PVMI_MBOX_GET, "kept", 0);
	assert_int_equal(answer(&p, y), 0);
	end(&p);
}

static void test_waiting_for_a_box(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), y = enrol(&p, 1, 1);
	look_box(&p, x, PVMI_MBOX_GET, "late", PvmMboxWaitForInfo);
	assert_int_equal(p.n, 0);
	put_box(&p, y, "late", 0, 0);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.told[0].tid, x);
	assert_int_equal(p.told[1].tid, y);
	end(&p);
}

static void notify(struct play *p, int tid, int what, int about)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, (uint32_t)what);
	dvmi_buf_put_u32(&b, 7);
	dvmi_buf_put_u32(&b, 0);
	dvmi_buf_put_u32(&b, 1);
	dvmi_buf_put_u32(&b, 1);
	dvmi_buf_put_u32(&b, (uint32_t)about);
	ask(p, tid, PVMI_NOTIFY, &b);
}

static int delivered(const struct play *p, int tid)
{
	int n = 0;

	for (int i = 0; i < p->n; i++)
		n += p->told[i].type == PVMI_DELIVER && p->told[i].tid == tid;
	return n;
}

static void test_notify(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), y = enrol(&p, 2, 1024);
	notify(&p, x, PvmTaskExit, y);
	assert_int_equal(answer(&p, x), 0);
	notify(&p, x, PvmHostDelete, 0x80000);
	assert_int_equal(answer(&p, x), 0);
	notify(&p, x, PvmTaskExit, 0x40099); /* who is not there has ended */
	assert_int_equal(delivered(&p, x), 1);
	forget(&p);
	pvm_world_host_down(p.w, "b");
	assert_int_equal(delivered(&p, x), 2); /* its task, and the host */
	forget(&p);
	notify(&p, x, PvmHostDelete, 0x80000);
	assert_int_equal(delivered(&p, x), 1);
	end(&p);
}

static void spawn(struct play *p, int tid, int flags, const char *where, int count)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, (uint32_t)flags);
	dvmi_buf_put_str(&b, where);
	dvmi_buf_put_u32(&b, (uint32_t)count);
	dvmi_buf_put_str(&b, "prog");
	dvmi_buf_put_str(&b, "/");
	for (int i = 0; i < 9; i++) /* no arguments, no environment, nobody to report to */
		dvmi_buf_put_u32(&b, 0);
	ask(p, tid, PVMI_SPAWN, &b);
}

static void test_spawn(void **state)
{
	struct play p;
	struct dvmi_reader r;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0);
	spawn(&p, x, 0, "", 3);
	assert_int_equal(p.spawns, 1);
	assert_string_equal(p.hosts, "a,b");
	assert_int_equal(p.n, 0);
	/* In any order; one finds no program; a stranger does not count. */
	pvm_world_ready(p.w, 2, p.last_spawn, 2, p.nonce, 0, 1030, 33);
	pvm_world_ready(p.w, 1, p.last_spawn, 1, p.nonce, PvmNoFile, 0, 0);
	pvm_world_ready(p.w, 1, p.last_spawn, 0, "guess", 0, 8, 3);
	pvm_world_ready(p.w, 1, p.last_spawn, 9, p.nonce, 0, 8, 3);
	assert_int_equal(p.n, 0);
	pvm_world_ready(p.w, 1, p.last_spawn, 0, p.nonce, 0, 7, 44);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.told[0].code, 2);
	dvmi_reader_init(&r, p.told[0].body.data, p.told[0].body.len);
	assert_int_equal(dvmi_get_u32(&r), 3);
	assert_int_equal(dvmi_get_u32(&r), 0x40002);
	assert_int_equal(dvmi_get_u32(&r), 7);
	assert_int_equal(dvmi_get_u32(&r), 0x80001);
	assert_int_equal(dvmi_get_u32(&r), 1030);
	assert_int_equal((int)dvmi_get_u32(&r), PvmNoFile);
	end(&p);
}

static void test_spawn_nowhere(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0);
	spawn(&p, x, PvmTaskHost, "c", 2);
	assert_int_equal(p.spawns, 0);
	assert_int_equal(answer(&p, x), 0);
	spawn(&p, x, PvmTaskHost, ".", 1);
	assert_string_equal(p.hosts, "a");
	spawn(&p, x, PvmTaskHost | PvmHostCompl, ".", 1);
	assert_string_equal(p.hosts, "b");
	/* What does not come is not waited for. */
	pvm_world_spawn_over(p.w, p.last_spawn);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.told[0].code, 0);
	end(&p);
}

static void test_idle(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	enrol(&p, 1, 0);
	enrol(&p, 2, 1024);
	pvm_world_exit(p.w, 1, 0, true);
	assert_int_equal(p.idle, 0);
	pvm_world_exit(p.w, 2, 1024, false);
	assert_int_equal(p.idle, 1);
	end(&p);
}

/* Bodies that are cut short, and types there are none of. */
/* A task prints and ends before another one of its spawn is there: nothing is lost. */
static void test_early_output(void **state)
{
	struct play p;
	struct dvmi_buf b = { 0 };
	int texts = 0, ends = 0;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0);
	dvmi_buf_put_u32(&b, 0);
	dvmi_buf_put_str(&b, "");
	dvmi_buf_put_u32(&b, 2);
	dvmi_buf_put_str(&b, "prog");
	dvmi_buf_put_str(&b, "");
	dvmi_buf_put_u32(&b, 0);
	dvmi_buf_put_u32(&b, 0);
	dvmi_buf_put_u32(&b, (uint32_t)x); /* whoever wants the output */
	for (int i = 0; i < 6; i++)
		dvmi_buf_put_u32(&b, 0);
	ask(&p, x, PVMI_SPAWN, &b);
	pvm_world_ready(p.w, 1, p.last_spawn, 0, p.nonce, 0, 3, 33);
	pvm_world_output(p.w, 1, 3, "text", 4);
	pvm_world_output(p.w, 1, 3, NULL, 0);
	pvm_world_exit(p.w, 1, 3, false);
	pvm_world_ready(p.w, 1, p.last_spawn, 1, p.nonce, 0, 4, 44);
	for (int i = 0; i < p.n; i++) {
		const struct dvmi_buf *body = &p.told[i].body;
		if (p.told[i].type != PVMI_DELIVER || body->len < 12)
			continue;
		texts += memcmp(body->data + body->len - 4, "text", 4) == 0;
		ends += memcmp(body->data + body->len - 4, "\0\0\0", 4) == 0;
	}
	assert_int_equal(texts, 1);
	assert_int_equal(ends, 1);
	end(&p);
}

/* ---- tasks that take over work ---- */

static void enlist(struct play *p, int tid, uint32_t role, int code)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, role);
	dvmi_buf_put_u32(&b, 1);
	forget(p);
	ask(p, tid, PVMI_REGISTER, &b);
	assert_int_equal(p->told[0].type, PVMI_ANSWER);
	assert_int_equal(p->told[0].code, code);
	forget(p);
}

/* TID sends a message to a daemon. */
static void post(struct play *p, int tid, int to, int tag, int wid, struct dvmi_buf *body)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, (uint32_t)to);
	dvmi_buf_put_u32(&b, (uint32_t)tag);
	dvmi_buf_put_u32(&b, 0);
	dvmi_buf_put_u32(&b, 0x10000000);
	dvmi_buf_put_blob(&b, body->data, (uint32_t)body->len);
	dvmi_buf_put_u32(&b, (uint32_t)wid);
	dvmi_buf_free(body);
	forget(p);
	ask(p, tid, PVMI_POST, &b);
}

/* The message with TAG that TID was sent: its body, as the reader; its wait id. */
static int message(struct play *p, int tid, int tag, struct dvmi_reader *body)
{
	for (int i = 0; i < p->n; i++) {
		struct dvmi_reader r;
		uint32_t len;
		dvmi_reader_init(&r, p->told[i].body.data, p->told[i].body.len);
		if (p->told[i].type != PVMI_DELIVER || p->told[i].tid != tid)
			continue;
		dvmi_get_u32(&r);
		if ((int)dvmi_get_u32(&r) != tag)
			continue;
		dvmi_get_u64(&r);
		int wid = (int)dvmi_get_u32(&r);
		const uint8_t *bytes = dvmi_get_blob(&r, 1u << 20, &len);
		assert_int_equal(dvmi_reader_done(&r), 0);
		dvmi_reader_init(body, bytes, len);
		return wid;
	}
	fail_msg("no message %x for %x", (unsigned)tag, (unsigned)tid);
	return 0;
}

static void add_hosts(struct play *p, int tid, const char *a, const char *b)
{
	struct dvmi_buf args = { 0 };

	dvmi_buf_put_u32(&args, 2);
	dvmi_buf_put_str(&args, a);
	dvmi_buf_put_str(&args, b);
	ask(p, tid, PVMI_HOSTS_ADD, &args);
}

static void skip_strings(struct dvmi_reader *r, int n)
{
	while (n--)
		free(pvm_xdr_str(r));
}

/* Of two hosts the hoster has started one: the machine adds that, then the asker hears. */
static void test_hoster(void **state)
{
	struct play p;
	struct dvmi_reader r;
	struct dvmi_buf b = { 0 };

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), hoster = enrol(&p, 1, 1);
	enlist(&p, hoster, PVMI_ROLE_HOSTER, 0);
	enlist(&p, x, PVMI_ROLE_HOSTER, PvmAlready);
	add_hosts(&p, x, "c", "d");
	assert_int_equal(p.changes, 0);
	int wid = message(&p, hoster, SM_STHOST, &r);
	assert_int_equal(pvm_xdr_int(&r), 2);
	int first = pvm_xdr_int(&r);
	skip_strings(&r, 3);
	int second = pvm_xdr_int(&r);
	assert_int_not_equal(first, second);

	pvm_xdr_put_int(&b, second);
	pvm_xdr_put_str(&b, "ddpro<2316> arch<LINUX64>");
	pvm_xdr_put_int(&b, first);
	pvm_xdr_put_str(&b, "PvmDupHost");
	post(&p, hoster, (int)0x80000000, SM_STHOSTACK, wid, &b);
	assert_int_equal(p.changes, 1);
	assert_int_equal(pvm_world_host_up(p.w, "d"), 3);
	forget(&p);
	pvm_world_hosts_done(p.w, p.change, 0);
	dvmi_reader_init(&r, p.told[0].body.data, p.told[0].body.len);
	assert_int_equal(dvmi_get_u32(&r), 2);
	assert_int_equal((int)dvmi_get_u32(&r), PvmDupHost);
	assert_int_equal(dvmi_get_u32(&r), 3 << PVMI_HOST_SHIFT);
	end(&p);
}

/* What a hoster leaves undone the machine does. */
static void test_hoster_ends(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), hoster = enrol(&p, 1, 1);
	enlist(&p, hoster, PVMI_ROLE_HOSTER, 0);
	add_hosts(&p, x, "c", "d");
	pvm_world_exit(p.w, 1, 1, true);
	assert_int_equal(p.changes, 2);
	end(&p);
}

/* One that does not answer has from one look at it to the next; then its hosts will not come. */
static void test_hoster_silent(void **state)
{
	struct play p;
	struct dvmi_reader r;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), hoster = enrol(&p, 1, 1);
	enlist(&p, hoster, PVMI_ROLE_HOSTER, 0);
	assert_false(pvm_world_hosts_late(p.w));
	add_hosts(&p, x, "c", "d");
	assert_int_equal(p.hostings, 1);
	assert_true(pvm_world_hosts_late(p.w));
	forget(&p);
	assert_false(pvm_world_hosts_late(p.w));
	assert_int_equal(p.changes, 0);
	assert_int_equal(p.n, 1);
	dvmi_reader_init(&r, p.told[0].body.data, p.told[0].body.len);
	assert_int_equal(dvmi_get_u32(&r), 2);
	assert_int_equal((int)dvmi_get_u32(&r), PvmCantStart);
	assert_int_equal((int)dvmi_get_u32(&r), PvmCantStart);
	end(&p);
}

static void spawn_one(struct play *p, int tid)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, 0);
	dvmi_buf_put_str(&b, "");
	dvmi_buf_put_u32(&b, 1);
	dvmi_buf_put_str(&b, "prog");
	dvmi_buf_put_str(&b, "/");
	dvmi_buf_put_u32(&b, 0);
	dvmi_buf_put_u32(&b, 1);
	dvmi_buf_put_str(&b, "A=b");
	for (int i = 0; i < 7; i++)
		dvmi_buf_put_u32(&b, 0);
	forget(p);
	ask(p, tid, PVMI_SPAWN, &b);
}

/* The tasker of a host is given what its place is; what it cannot start is killed. */
static void test_tasker(void **state)
{
	struct play p;
	struct dvmi_reader r;
	struct dvmi_buf b = { 0 };

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), tasker = enrol(&p, 2, 1024);
	enlist(&p, tasker, PVMI_ROLE_TASKER, 0);
	spawn_one(&p, x);
	pvm_world_ready_path(p.w, 2, p.last_spawn, 0, "guess", "/x", "/s", 1);
	pvm_world_ready_path(p.w, 2, p.last_spawn, 9, p.nonce, "/x", "/s", 1);
	pvm_world_ready_path(p.w, 2, p.last_spawn, 0, p.nonce, "/bin/prog", "/socket", 77);
	pvm_world_ready(p.w, 2, p.last_spawn, 0, p.nonce, 0, 1025, 44);
	message(&p, tasker, SM_STTASK, &r);
	int tid = pvm_xdr_int(&r);
	assert_int_equal(pvm_xdr_int(&r), 0);
	char *path = pvm_xdr_str(&r);
	assert_string_equal(path, "/bin/prog");
	free(path);
	assert_int_equal(pvm_xdr_int(&r), 1);
	skip_strings(&r, 1);
	assert_int_equal(pvm_xdr_int(&r), 4);

	for (int i = 0; i < 6; i++)
		pvm_xdr_put_int(&b, i ? 0 : tid);
	post(&p, tasker, (int)0x80000000, SM_TASKX, 0, &b);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.told[0].type, PVMI_KILL);
	assert_int_equal(p.told[0].host, 2);
	end(&p);
}

static unsigned kills_of(const struct play *p, uint32_t host)
{
	unsigned n = 0;

	for (unsigned i = 0; i < (unsigned)p->n; i++)
		n += p->told[i].type == PVMI_KILL && p->told[i].host == host;
	return n;
}

/* What a tasker that has ended was to start ends, too; also what becomes ready only now. */
static void test_tasker_ends(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), tasker = enrol(&p, 2, 1024);
	enlist(&p, tasker, PVMI_ROLE_TASKER, 0);
	spawn_one(&p, x);
	pvm_world_ready_path(p.w, 2, p.last_spawn, 0, p.nonce, "/bin/prog", "/socket", 77);
	pvm_world_ready(p.w, 2, p.last_spawn, 0, p.nonce, 0, 1025, 44);
	spawn_one(&p, x);
	pvm_world_ready_path(p.w, 2, p.last_spawn, 0, p.nonce, "/bin/prog", "/socket", 78);
	forget(&p);
	pvm_world_exit(p.w, 2, 1024, true);
	assert_int_equal(kills_of(&p, 2), 1);
	forget(&p);
	pvm_world_ready(p.w, 2, p.last_spawn, 0, p.nonce, 0, 1026, 45);
	assert_int_equal(kills_of(&p, 2), 1);
	end(&p);
}

/* What the manager orders for a host is done there, and answered under its wait id. */
static void test_manager(void **state)
{
	struct play p;
	struct dvmi_reader r;
	struct dvmi_buf b = { 0 };

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), manager = enrol(&p, 1, 1);
	enlist(&p, manager, PVMI_ROLE_RM, 0);
	pvm_xdr_put_int(&b, x);
	pvm_xdr_put_str(&b, "prog");
	for (int i = 0; i < 10; i++) /* flags, count, no arguments, nowhere, no environment */
		pvm_xdr_put_int(&b, i == 1);
	post(&p, manager, (int)(0x80000000 | 2 << PVMI_HOST_SHIFT), SM_EXEC, 55, &b);
	assert_string_equal(p.hosts, "b");
	pvm_world_ready(p.w, 2, p.last_spawn, 0, p.nonce, 0, 1025, 44);
	assert_int_equal(message(&p, manager, SM_EXECACK, &r), 55);
	assert_int_equal(pvm_xdr_int(&r), 1);
	int tid = pvm_xdr_int(&r);
	assert_true(tid > 0);
	forget(&p);
	pvm_world_exit(p.w, 2, 1025, true);
	message(&p, manager, SM_TASKX, &r);
	assert_int_equal(pvm_xdr_int(&r), tid);
	forget(&p);
	pvm_world_host_down(p.w, "b");
	message(&p, manager, SM_HOSTX, &r);
	forget(&p);
	/* When it ends the others are told. */
	pvm_world_exit(p.w, 1, 1, true);
	int told = 0;
	for (int i = 0; i < p.n; i++)
		told += p.told[i].type == PVMI_MANAGER && p.told[i].tid == x && !p.told[i].code;
	assert_int_equal(told, 1);
	end(&p);
}

/* Orders from anybody else, or cut short, are none. */
static void test_sec_orders(void **state)
{
	static const int tags[] = { SM_EXEC, SM_ADD, SM_HANDOFF, SM_STHOSTACK, SM_TASKX };
	struct play p;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0), manager = enrol(&p, 1, 1);
	for (int who = 0; who < 2; who++) {
		for (int i = 0; i < 5; i++)
			for (int n = 0; n < 40; n++) {
				struct dvmi_buf b = { 0 };
				for (int k = 0; k < n; k++)
					dvmi_buf_put_u8(&b, k % 4 == 3 ? 9 : 0);
				post(&p, who ? manager : x, (int)0x80000000, tags[i], 1, &b);
			}
		if (!who)
			assert_int_equal(p.spawns + (uint32_t)p.changes, 0);
		enlist(&p, manager, PVMI_ROLE_RM, 0);
		enlist(&p, manager, PVMI_ROLE_HOSTER, 0);
		enlist(&p, manager, PVMI_ROLE_TASKER, 0);
	}
	end(&p);
}

static void test_sec_short_bodies(void **state)
{
	struct play p;

	(void)state;
	begin(&p);
	int x = enrol(&p, 1, 0);
	for (uint16_t type = 0; type < 100; type++)
		for (size_t len = 0; len < 24; len++) {
			static const uint8_t bytes[24] = { 1, 0, 0, 0, 2, 0, 0, 0, 'g', 0xff, 0xff, 0xff };
			struct dvmi_reader r;
			if (type == PVMI_HALT)
				continue;
			dvmi_reader_init(&r, bytes, len);
			pvm_world_ask(p.w, x, type, 9, &r);
			forget(&p);
		}
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),	   cmocka_unit_test(test_groups),
		cmocka_unit_test(test_barrier),	   cmocka_unit_test(test_boxes),
		cmocka_unit_test(test_waiting_for_a_box), cmocka_unit_test(test_notify),
		cmocka_unit_test(test_spawn),	   cmocka_unit_test(test_spawn_nowhere),
		cmocka_unit_test(test_idle),	   cmocka_unit_test(test_sec_short_bodies),
		cmocka_unit_test(test_hoster),	   cmocka_unit_test(test_hoster_ends),
		cmocka_unit_test(test_hoster_silent),
		cmocka_unit_test(test_tasker),	   cmocka_unit_test(test_tasker_ends),
		cmocka_unit_test(test_manager),
		cmocka_unit_test(test_sec_orders), cmocka_unit_test(test_early_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
