/* SPDX-License-Identifier: BSD-3-Clause */
/* Reasons, numbers and odd input of dsched_place(); what it decides is in tests/golden. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/dsched.h"
#include "tests/unit/cm.h"

#define GIB UINT64_C(1073741824)

void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);

static struct {
	unsigned calls;
	unsigned fail_at; /* counted from 1; 0: never */
} memory;

static bool fails(void)
{
	return ++memory.calls == memory.fail_at;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

/* Four nodes of two packages of four cores, of which tests change what they are about. */
struct machine {
	struct dsched_topo topo;
	struct dsched_node nodes[4];
	struct dsched_snapshot snap;
};

static void setup(struct machine *m)
{
	static const char *const names[] = { "node1", "node2", "node3", "node4" };
	static const char text[] = "t1 P0 N0 L 0x4 P1 N1 L 4x4";

	*m = (struct machine){ .snap = { .size = sizeof m->snap, .nodes = m->nodes, .nnodes = 4 } };
	assert_int_equal(dsched_topo_parse(&m->topo, text, strlen(text)), 0);
	for (uint32_t i = 0; i < 4; i++)
		m->nodes[i] = (struct dsched_node){
			.id = i + 1,
			.name = names[i],
			.topo = &m->topo,
			.mem = 16 * GIB,
			.mem_free = 16 * GIB,
		};
}

static struct dsched_request request(void)
{
	return (struct dsched_request){ .size = sizeof(struct dsched_request) };
}

/* Places, expects CODE and hands back the reason. */
static struct dsched_reason place(struct machine *m, const struct dsched_request *req, int code)
{
	struct dsched_placement p = { .nranks = 1234 };
	struct dsched_reason why;

	memset(&why, 0xa5, sizeof why);
	assert_int_equal(dsched_place(&m->snap, req, &p, &why), code);
	if (code == 0) {
		assert_int_equal(why.verdict, DSCHED_PLACED);
		dsched_placement_free(&p);
	} else {
		assert_int_equal(p.nranks, 1234);
		assert_int_equal(why.verdict, code == -EAGAIN ? DSCHED_WAIT : DSCHED_IMPOSSIBLE);
		assert_true(why.text[0] && memchr(why.text, 0, sizeof why.text));
	}
	return why;
}

static void assert_numbers(const struct dsched_reason *why, enum dsched_constraint what,
			   bool of_nodes, unsigned asked, unsigned nearest)
{
	assert_int_equal(why->constraint, what);
	assert_int_equal(why->of_nodes, of_nodes);
	assert_int_equal(why->asked, asked);
	assert_int_equal(why->nearest, nearest);
}

static void too_many_ranks(void **state)
{
	struct machine m;
	struct dsched_request req = request();

	setup(&m);
	req.ranks = 64;
	struct dsched_reason why = place(&m, &req, -DVM_ENOSLOTS);
	assert_numbers(&why, DSCHED_C_SLOTS, false, 64, 32);
	assert_string_equal(why.text,
			    "64 ranks asked, 32 slots on 4 nodes: use -n 32 or --oversubscribe");
	req.ranks = (uint32_t)why.nearest;
	place(&m, &req, 0);
	dsched_topo_free(&m.topo);
}

static void too_many_nodes(void **state)
{
	struct machine m;
	struct dsched_request req = request();

	setup(&m);
	m.nodes[3].state = DSCHED_NODE_DOWN;
	req.nodes = 5;
	struct dsched_reason why = place(&m, &req, -DVM_ENOSLOTS);
	assert_numbers(&why, DSCHED_C_NODES, true, 5, 3);
	assert_string_equal(why.text, "5 nodes asked, 3 are up (1 down): use -N 3");
	dsched_topo_free(&m.topo);
}

static void busy_slots_are_waited_for(void **state)
{
	struct machine m;
	struct dsched_request req = request();

	setup(&m);
	m.snap.nnodes = 1;
	m.nodes[0].slots_used = 5;
	m.nodes[0].jobs = 2;
	req.ranks = 8;
	struct dsched_reason why = place(&m, &req, -EAGAIN);
	assert_numbers(&why, DSCHED_C_SLOTS, false, 8, 3);
	assert_string_equal(why.text, "needs 8 slots, 3 free: running jobs hold 5");
	m.nodes[0].slots_used = 8;
	req.ranks = 0;
	why = place(&m, &req, -EAGAIN);
	assert_numbers(&why, DSCHED_C_SLOTS, false, 1, 0);
	dsched_topo_free(&m.topo);
}

static void memory_names_a_node(void **state)
{
	struct machine m;
	struct dsched_request req = request();

	setup(&m);
	m.nodes[1].mem = m.nodes[1].mem_free = 4 * GIB;
	req.ranks = 20;
	req.mem_per_rank = 3 * GIB;
	struct dsched_reason why = place(&m, &req, -DVM_ENOSLOTS);
	assert_numbers(&why, DSCHED_C_MEMORY, false, 20, 16);
	assert_string_equal(why.name, "node2");
	m.nodes[0].mem_free = GIB;
	req.ranks = 16;
	why = place(&m, &req, -EAGAIN);
	assert_numbers(&why, DSCHED_C_MEMORY, false, 16, 11);
	assert_string_equal(why.name, "node1");
	dsched_topo_free(&m.topo);
}

static void names_are_checked(void **state)
{
	struct machine m;
	struct dsched_request req = request();
	struct dsched_host hosts[] = { { "node2", 0 }, { "nodeX", 0 } };
	const char *gone = "nodeY";

	setup(&m);
	req.include = hosts;
	req.ninclude = 2;
	struct dsched_reason why = place(&m, &req, -ENOENT);
	assert_int_equal(why.constraint, DSCHED_C_UNKNOWN);
	assert_string_equal(why.name, "nodeX");
	req.ninclude = 1;
	req.exclude = &gone;
	req.nexclude = 1;
	why = place(&m, &req, -ENOENT);
	assert_string_equal(why.name, "nodeY");
	req.nexclude = 0;
	m.nodes[1].state = DSCHED_NODE_DRAINING;
	why = place(&m, &req, -DVM_ENOSLOTS);
	assert_int_equal(why.constraint, DSCHED_C_NODE_DOWN);
	assert_string_equal(why.name, "node2");
	dsched_topo_free(&m.topo);
}

static void guests_go_where_they_can_run(void **state)
{
	struct machine m;
	struct dsched_request req = request();
	struct dsched_host host = { "node2", 0 };
	struct dsched_placement p;
	struct dsched_reason why;

	setup(&m);
	m.nodes[0].no_kvm = m.nodes[1].no_kvm = "/dev/kvm: No such file or directory";
	req.ranks = 2;
	req.map = DSCHED_MAP_PPR_NODE;
	req.ppr = 1;
	req.kvm = true;
	assert_int_equal(dsched_place(&m.snap, &req, &p, &why), 0);
	assert_true(p.nnodes == 2 && p.nodes[0].id == 3 && p.nodes[1].id == 4);
	dsched_placement_free(&p);

	req.ranks = 3;
	why = place(&m, &req, -DVM_ENOSLOTS);
	assert_numbers(&why, DSCHED_C_KVM, true, 3, 2);
	assert_string_equal(why.text, "3 nodes that can run guests asked, 2 can "
				      "(not node1: /dev/kvm: No such file or directory, and 1 more)");
	m.nodes[2].no_kvm = "/dev/kvm: Permission denied";
	m.nodes[3].state = DSCHED_NODE_DOWN;
	why = place(&m, &req, -DVM_ENOSLOTS);
	assert_numbers(&why, DSCHED_C_KVM, true, 3, 0);
	assert_string_equal(why.text, "no node can run guests "
				      "(node1: /dev/kvm: No such file or directory, and 2 more) "
				      "(1 down)");

	req.ranks = 1;
	req.include = &host;
	req.ninclude = 1;
	why = place(&m, &req, -DVM_ENOSLOTS);
	assert_int_equal(why.constraint, DSCHED_C_KVM);
	assert_string_equal(why.name, "node2");
	assert_string_equal(why.text, "node \"node2\" was asked for and cannot run guests: "
				      "/dev/kvm: No such file or directory");
	req.kvm = false;
	place(&m, &req, 0);
	dsched_topo_free(&m.topo);
}

static void a_long_name_is_cut(void **state)
{
	struct machine m;
	struct dsched_request req = request();
	char name[400];
	struct dsched_host host = { name, 0 };

	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = 0;
	setup(&m);
	req.include = &host;
	req.ninclude = 1;
	struct dsched_reason why = place(&m, &req, -ENOENT);
	assert_int_equal(strlen(why.name), DSCHED_NAME_MAX - 1);
	dsched_topo_free(&m.topo);
}

static void contradictions(void **state)
{
	struct machine m;
	struct dsched_request good = request(), req;

	setup(&m);
	place(&m, &good, 0);
	req = good, req.size--;
	assert_int_equal(place(&m, &req, -EINVAL).constraint, DSCHED_C_REQUEST);
	req = good, req.map = 99;
	assert_int_equal(place(&m, &req, -EINVAL).constraint, DSCHED_C_REQUEST);
	req = good, req.bind = 99;
	assert_int_equal(place(&m, &req, -EINVAL).constraint, DSCHED_C_REQUEST);
	req = good, req.map = DSCHED_MAP_PPR_NODE;
	assert_int_equal(place(&m, &req, -EINVAL).constraint, DSCHED_C_REQUEST);
	req = good, req.ranks = DSCHED_RANKS_MAX + 1, req.oversubscribe = true;
	assert_int_equal(place(&m, &req, -EINVAL).constraint, DSCHED_C_REQUEST);
	req = good, req.ranks = 2, req.nodes = 3;
	assert_int_equal(place(&m, &req, -EINVAL).constraint, DSCHED_C_REQUEST);
	m.snap.size++;
	assert_int_equal(place(&m, &good, -EINVAL).constraint, DSCHED_C_REQUEST);
	dsched_topo_free(&m.topo);
}

static void absurd_numbers_end_well(void **state)
{
	struct machine m;
	struct dsched_request req = request();

	setup(&m);
	m.nodes[0].slots = m.nodes[1].slots = UINT32_MAX;
	m.nodes[2].slots_used = UINT32_MAX;
	place(&m, &req, -EINVAL);
	req.nodes = UINT32_MAX;
	place(&m, &req, -DVM_ENOSLOTS);
	req = request(), req.map = DSCHED_MAP_PPR_NUMA, req.ppr = UINT32_MAX;
	place(&m, &req, -DVM_ENOSLOTS);
	req = request(), req.ranks = 4, req.mem_per_rank = UINT64_MAX;
	place(&m, &req, -DVM_ENOSLOTS);
	req = request(), req.ranks = 1000, req.oversubscribe = true;
	m.nodes[0].slots = m.nodes[1].slots = 0;
	m.nodes[0].slots_used = UINT32_MAX;
	place(&m, &req, 0);
	dsched_topo_free(&m.topo);
}

static void an_empty_machine(void **state)
{
	struct dsched_snapshot snap = { .size = sizeof snap };
	struct dsched_request req = request();
	struct dsched_placement p;
	struct dsched_reason why;

	assert_int_equal(dsched_place(&snap, &req, &p, &why), -DVM_ENOSLOTS);
	assert_string_equal(why.text, "no node is up");
	assert_numbers(&why, DSCHED_C_NODES, true, 1, 0);
}

static void exclusive_takes_the_whole_node(void **state)
{
	struct machine m;
	struct dsched_request req = request();
	struct dsched_placement p;
	struct dsched_reason why;

	setup(&m);
	m.nodes[0].jobs = 1;
	req.ranks = 2;
	req.exclusive = true;
	assert_int_equal(dsched_place(&m.snap, &req, &p, &why), 0);
	assert_int_equal(p.nnodes, 1);
	assert_int_equal(p.nodes[0].id, 2);
	assert_int_equal(p.nodes[0].slots, 8);
	dsched_placement_free(&p);
	m.nodes[1].exclusive = m.nodes[2].exclusive = m.nodes[3].exclusive = true;
	m.nodes[1].jobs = m.nodes[2].jobs = m.nodes[3].jobs = 1;
	why = place(&m, &req, -EAGAIN);
	assert_int_equal(why.constraint, DSCHED_C_EXCLUSIVE);
	req.exclusive = false;
	req.ranks = 8;
	place(&m, &req, 0);
	req.ranks = 9;
	why = place(&m, &req, -EAGAIN);
	assert_numbers(&why, DSCHED_C_SLOTS, false, 9, 8);
	dsched_topo_free(&m.topo);
}

static void assert_cpus(const struct dsched_placement *p, uint32_t rank, const char *text)
{
	struct dvmi_buf b = { 0 };

	dsched_rank_cpus(p, rank, &b);
	dvmi_buf_put_u8(&b, 0);
	assert_string_equal(b.data, text);
	dvmi_buf_free(&b);
}

static void cpus_as_text(void **state)
{
	struct machine m;
	struct dsched_request req = request();
	struct dsched_placement p;
	struct dsched_reason why;

	setup(&m);
	req.ranks = 2;
	req.map = DSCHED_MAP_NUMA;
	assert_int_equal(dsched_place(&m.snap, &req, &p, &why), 0);
	assert_cpus(&p, 0, "0-3");
	assert_cpus(&p, 1, "4-7");
	dsched_placement_free(&p);
	req.bind = DSCHED_BIND_NONE;
	assert_int_equal(dsched_place(&m.snap, &req, &p, &why), 0);
	assert_cpus(&p, 0, "");
	dsched_placement_free(&p);
	dsched_topo_free(&m.topo);
}

static void hosts_have_numbers(void **state)
{
	assert_true(dsched_host_number("") == 0);
	assert_true(dsched_host_number("a") != 0);
	assert_true(dsched_host_number("a") != dsched_host_number("b"));
	assert_true(dsched_host_number("a") == dsched_host_number("a"));
}

/* Every allocation fails once; each time the call says so and leaves nothing behind. */
static void running_out_of_memory(void **state)
{
	struct machine m;
	struct dsched_request req = request();
	struct dsched_host hosts[] = { { "node2", 0 }, { "node1", 4 } };
	struct dsched_placement p;
	struct dsched_reason why;
	int rc = -ENOMEM;

	setup(&m);
	req.ranks = 20;
	req.include = hosts;
	req.ninclude = 2;
	req.map = DSCHED_MAP_NODE;
	req.bind = DSCHED_BIND_NUMA;
	req.oversubscribe = true;
	unsigned k = 0;
	while (rc == -ENOMEM) {
		memory.calls = 0;
		memory.fail_at = ++k;
		rc = dsched_place(&m.snap, &req, &p, &why);
	}
	memory.fail_at = 0;
	assert_int_equal(rc, 0);
	assert_true(k > 10);
	dsched_placement_free(&p);
	dsched_topo_free(&m.topo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_many_ranks),
		cmocka_unit_test(too_many_nodes),
		cmocka_unit_test(busy_slots_are_waited_for),
		cmocka_unit_test(memory_names_a_node),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(guests_go_where_they_can_run),
		cmocka_unit_test(a_long_name_is_cut),
		cmocka_unit_test(contradictions),
		cmocka_unit_test(absurd_numbers_end_well),
		cmocka_unit_test(an_empty_machine),
		cmocka_unit_test(exclusive_takes_the_whole_node),
		cmocka_unit_test(cpus_as_text),
		cmocka_unit_test(hosts_have_numbers),
		cmocka_unit_test(running_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
