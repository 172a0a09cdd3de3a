/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices on the command line: what is taken, and what is refused in so many words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kvm-node/options.h"
#include "tests/unit/cm.h"

struct line {
	struct vmm_options o;
	char value[128]; /* it is cut up, and o points into it */
	dvm_error_t err;
};

/* `dvm-vmm --kernel k OPTION VALUE` */
static int parse(struct line *l, const char *option, const char *value)
{
	char words[3][16] = { "dvm-vmm", "--kernel", "k" }, name[16];
	char *argv[] = { words[0], words[1], words[2], name, l->value, NULL };

	snprintf(name, sizeof name, "%s", option);
	snprintf(l->value, sizeof l->value, "%s", value);
	l->err.text[0] = '\0';
	return vmm_options_parse(&l->o, 5, argv, &l->err);
}

static void refused(const char *option, const char *value, const char *words)
{
	struct line l;

	assert_int_equal(parse(&l, option, value), -EINVAL);
	if (!strstr(l.err.text, words))
		fail_msg("%s %s: \"%s\" without \"%s\"", option, value, l.err.text, words);
}

static void a_card_has_a_kind(void **state)
{
	struct line l;

	assert_int_equal(parse(&l, "--net", "mac=52:54:00:00:00:01,user,host=1"), 0);
	assert_int_equal(l.o.config.n_nets, 1);
	assert_int_equal(l.o.config.nets[0].kind, VMM_NET_USER);
	assert_int_equal(l.o.config.nets[0].host, 1);
	assert_true(l.o.config.nets[0].has_mac);
	assert_int_equal(parse(&l, "--net", "tap=tap0"), 0);
	assert_string_equal(l.o.config.nets[0].tap, "tap0");
	assert_int_equal(parse(&l, "--net", "none"), 0);
	assert_int_equal(l.o.config.n_nets, 0);
	refused("--net", "mac=52:54:00:00:00:01", "user, tap=IF or none is missing");
	refused("--net", "host=1", "user, tap=IF or none is missing");
	refused("--net", "none,user", "none, or a card?");
	refused("--net", "", "not of user");
}

static void a_disk_has_its_files(void **state)
{
	struct line l;

	assert_int_equal(parse(&l, "--disk", "a,backing=b,format=qcow2,backing=c,ro"), 0);
	const struct vmm_disk_config *d = &l.o.config.disks[0];
	assert_string_equal(d->path, "a");
	assert_int_equal(d->n_backing, 2);
	assert_string_equal(d->backing[0], "b");
	assert_string_equal(d->backing[1], "c");
	assert_true(d->ro);
	refused("--disk", "a,backing=b", "for format=qcow2");
	refused("--disk", "a,format=qcow2,backing=", "backing=FILE");
	refused("--disk",
		"a,format=qcow2,backing=1,backing=2,backing=3,backing=4,backing=5,backing=6,"
		"backing=7,backing=8,backing=9",
		"\"backing=9\"");
	refused("--disk", "a,format=vmdk", "format=vmdk");
	refused("--disk", ",ro", "which file?");
}

/* 1.3G is none; nodes have no less than all of it, whatever their number. */
static void memory_is_whole_pages(void **state)
{
	struct line l;

	assert_int_equal(parse(&l, "--mem", "1.3G"), 0);
	assert_int_equal(l.o.config.mem, 1395863552);
	assert_int_equal(l.o.config.nodes[0].mem, 1395863552);
	assert_int_equal(parse(&l, "--hosts", "3"), 0);
	const struct vmm_config *c = &l.o.config;
	assert_int_equal(c->nodes[0].mem + c->nodes[1].mem + c->nodes[2].mem, c->mem);
	assert_int_equal((c->nodes[0].mem | c->nodes[1].mem | c->nodes[2].mem) % 4096, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_whole_pages),
		cmocka_unit_test(a_card_has_a_kind),
		cmocka_unit_test(a_disk_has_its_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
