/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "daemon/conf_private.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"
#include "tests/unit/tmpdir.h"

static int setup(void **state)
{
	struct dvmd_conf *c = calloc(1, sizeof *c);

	assert_int_equal(dvmd_conf_init(c), 0);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct dvmd_conf *c = *state;

	dvmd_conf_free(c);
	free(c);
	return 0;
}

static int parse(struct dvmd_conf *c, const char *text, dvm_error_t *err)
{
	return dvmd_conf_parse(c, "dvm.conf", text, strlen(text), err);
}

static void nothing_said_means_defaults(void **state)
{
	static const char *const empty[] = { "", "\n", "# only a comment\n" };
	struct dvmd_conf *c = *state;

	for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
		dvm_error_t err = { 0 };
		if (parse(c, empty[i], &err) < 0)
			fail_msg("\"%s\": %s", empty[i], err.text);
		assert_string_equal(c->machine, "");
		assert_string_equal(c->interface, "");
		assert_int_equal(c->port, 7117);
		assert_int_equal(c->port_low, 0);
		assert_int_equal(c->slots, 0);
		assert_true(c->failure_timeout == 10 * DVMI_SEC);
		assert_int_equal(c->log_level, LOG_INFO);
	}
}

static void every_key_is_taken(void **state)
{
	static const char text[] = "# a comment\n"
				   "machine: lab\n"
				   "name: 'n-1'\n"
				   "interface: 10.0.0.0/24   # of the cluster\n"
				   "\n"
				   "port: 7118\n"
				   "port_range: 7200-7299\n"
				   "slots: 12\n"
				   "memory: 48G\n"
				   "failure_timeout: 3s\n"
				   "kill_grace: 500ms\n"
				   "launch_timeout: 1m30s\n"
				   "job_log_max: 0\n"
				   "\"log_level\": debug\n"
				   "run_dir: /srv/run\n"
				   "state_dir: /srv/state\n";
	struct dvmd_conf *c = *state;
	dvm_error_t err = { 0 };

	if (parse(c, text, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c->machine, "lab");
	assert_string_equal(c->name, "n-1");
	assert_string_equal(c->interface, "10.0.0.0/24");
	assert_int_equal(c->port, 7118);
	assert_int_equal(c->port_low, 7200);
	assert_int_equal(c->port_high, 7299);
	assert_int_equal(c->slots, 12);
	assert_true(c->memory == 48ul << 30);
	assert_true(c->failure_timeout == 3 * DVMI_SEC);
	assert_true(c->kill_grace == 500 * DVMI_MSEC);
	assert_true(c->launch_timeout == 90 * DVMI_SEC);
	assert_int_equal(c->job_log_max, 0);
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_string_equal(c->run_dir, "/srv/run");
	assert_string_equal(c->state_dir, "/srv/state");
}

/* A file in flow style is YAML, too, though nobody will write one. */
static void flow_style_is_understood(void **state)
{
	struct dvmd_conf *c = *state;

	assert_int_equal(parse(c, "{machine: lab, port: 7000}\n", NULL), 0);
	assert_string_equal(c->machine, "lab");
	assert_int_equal(c->port, 7000);
}

static void mistakes_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "machine: lab\nintrface: eth0\n",
		  "dvm.conf:2: unknown key \"intrface\"; did you mean \"interface\"?" },
		{ "# x\n\nzzz: 1\n", "dvm.conf:3: unknown key \"zzz\"" },
		{ "port: 1\nname: x\nport: 2\n", "dvm.conf:3: port is set in line 1 already" },
		{ "\n\nport: 0\n", "dvm.conf:3: port: \"0\": expected a port, 1 to 65535" },
		{ "port: 65536\n", "dvm.conf:1: port: \"65536\": expected a port, 1 to 65535" },
		{ "port: seven\n", "dvm.conf:1: port: \"seven\": expected a port, 1 to 65535" },
		{ "port:\n", "dvm.conf:1: port: it has no value" },
		{ "port_range: 7200\n",
		  "dvm.conf:1: port_range: \"7200\": expected a range of ports, "
		  "such as 7200-7299" },
		{ "port_range: 9-8\n",
		  "dvm.conf:1: port_range: \"9-8\": expected a range of ports, such as 7200-7299" },
		{ "machine: a b\n",
		  "dvm.conf:1: machine: \"a b\": name \"a b\": only letters, digits, "
		  "'.', '_' and '-' are allowed" },
		{ "name: -x\n", "dvm.conf:1: name: \"-x\": name \"-x\" must not begin with '-'" },
		{ "interface: a b\n",
		  "dvm.conf:1: interface: \"a b\": expected one interface, address "
		  "or network (10.0.0.0/24)" },
		{ "slots: 0\n", "dvm.conf:1: slots: \"0\": expected a number, 1 to 1048576" },
		{ "memory: lots\n", "dvm.conf:1: memory: \"lots\": expected a size, such as 48G" },
		{ "queue_policy: lifo\n",
		  "dvm.conf:1: queue_policy: \"lifo\": expected fifo, easy or conservative" },
		{ "queue_preempt: yes\n",
		  "dvm.conf:1: queue_preempt: \"yes\": expected no, cancel, requeue or suspend" },
		{ "queue_weights: age=1,luck=2\n",
		  "dvm.conf:1: queue_weights: \"age=1,luck=2\": expected age, size, fair, asked: "
		  "age=1000,…" },
		{ "queue_shares: ann=\n",
		  "dvm.conf:1: queue_shares: \"ann=\": expected NAME=NUMBER,…" },
		{ "queue_half_life: 0\n",
		  "dvm.conf:1: queue_half_life: \"0\": expected a duration, 1m to 3650d" },
		{ "kvm_device: kvm\n", "dvm.conf:1: kvm_device: \"kvm\": expected an absolute path" },
		{ "gres: gpu:2,gpu:1\n", "dvm.conf:1: gres: \"gpu:2,gpu:1\": gpu is there twice" },
		{ "gres: gpu:many\n",
		  "dvm.conf:1: gres: \"gpu:many\": gpu: expected a number up to 1000000" },
		{ "job_log_max: -1\n",
		  "dvm.conf:1: job_log_max: \"-1\": expected a size, such as 64M, or 0" },
		{ "failure_timeout: 10 s\n", "dvm.conf:1: failure_timeout: \"10 s\": expected a "
					     "duration, such as 10s or 500ms" },
		{ "failure_timeout: 1ms\n",
		  "dvm.conf:1: failure_timeout: \"1ms\": it must be within 1s and 1h00m" },
		{ "log_level: loud\n",
		  "dvm.conf:1: log_level: \"loud\": expected err, warning, notice, "
		  "info or debug" },
		{ "run_dir: here\n", "dvm.conf:1: run_dir: \"here\": expected an absolute path" },
	};
	struct dvmd_conf *c = *state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		dvm_error_t err = { 0 };
		assert_int_equal(parse(c, rows[i].text, &err), -EINVAL);
		assert_string_equal(err.text, rows[i].error);
		assert_int_equal(c->port, 7117); /* nothing was taken over */
	}
}

static void what_is_no_flat_mapping_is_refused(void **state)
{
	static const char *const bad[] = {
		"- a\n",
		"just words\n",
		"port: [1, 2]\n",
		"port:\n  a: 1\n",
		"machine:\n\tx\n",
		"machine: \"open\n",
		"machine: a: b\n",
		"machine: a\nport 3\n",
		"port: *nothing\n",
		"machine: a\n---\nport: 1\n",
		"{prt: 3}\n",
	};
	struct dvmd_conf *c = *state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		dvm_error_t err = { 0 };
		if (parse(c, bad[i], &err) != -EINVAL)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_int_equal(strncmp(err.text, "dvm.conf:", 9), 0);
		assert_true(strlen(err.text) > 20);
		assert_string_equal(c->machine, "");
	}
}

static void any_bytes_do_no_harm(void **state)
{
	struct dvmd_conf *c = *state;
	char text[64];

	srand(1);
	for (int i = 0; i < 3000; i++) {
		static const char alphabet[] = "port:name -[]{}\"'\n\t#&*!|>%@`?,\\\0\xff\xfe";
		size_t n = (size_t)rand() % sizeof text;
		for (size_t k = 0; k < n; k++)
			text[k] = alphabet[(size_t)rand() % sizeof alphabet];
		dvm_error_t err = { 0 };
		int rc = dvmd_conf_parse(c, "f", text, n, &err);
		assert_true(rc == 0 || rc == -EINVAL);
		assert_true(rc == 0 || err.text[0]);
	}
}

static void a_file_is_found_where_it_should_be(void **state)
{
	struct dvmd_conf *c = *state;
	char dir[TMPDIR_MAX], path[TMPDIR_MAX + 32];
	dvm_error_t err = { 0 };

	unsetenv("DVM_CONFIG");
	tmpdir_make(dir);
	snprintf(path, sizeof path, "%s/x.conf", dir);
	assert_int_equal(dvmd_conf_load(c, path, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	FILE *f = fopen(path, "w");
	fputs("port: 7200\n", f);
	fclose(f);
	assert_int_equal(dvmd_conf_load(c, path, &err), 1);
	assert_int_equal(c->port, 7200);
	setenv("DVM_CONFIG", path, 1);
	c->port = 1;
	assert_int_equal(dvmd_conf_load(c, NULL, &err), 1);
	assert_int_equal(c->port, 7200);
	unsetenv("DVM_CONFIG");
	f = fopen(path, "w");
	for (int i = 0; i < 70000; i++)
		fputc('#', f);
	fclose(f);
	assert_int_equal(dvmd_conf_load(c, path, &err), -EINVAL);
	assert_non_null(strstr(err.text, "larger than"));
	assert_int_equal(dvmd_conf_load(c, dir, &err), -EISDIR);
	tmpdir_remove(dir);
}

static void the_environment_goes_over_the_file(void **state)
{
	struct dvmd_conf *c = *state;
	dvm_error_t err = { 0 };

	setenv("DVM_MACHINE", "env", 1);
	setenv("DVM_PORT", "", 1);
	assert_int_equal(parse(c, "machine: file\nport: 7300\n", NULL), 0);
	assert_int_equal(dvmd_conf_env(c, &err), 0);
	assert_string_equal(c->machine, "env");
	assert_int_equal(c->port, 7300);
	setenv("DVM_PORT", "x", 1);
	assert_int_equal(dvmd_conf_env(c, &err), -EINVAL);
	assert_string_equal(err.text, "$DVM_PORT \"x\": expected a port, 1 to 65535");
	unsetenv("DVM_PORT");
	unsetenv("DVM_MACHINE");
	assert_int_equal(dvmd_conf_set(c, "port", "7301", &err), 0);
	assert_int_equal(c->port, 7301);
	assert_int_equal(dvmd_conf_set(c, "prot", "1", &err), -EINVAL);
	assert_non_null(strstr(err.text, "did you mean \"port\""));
}

/* The text of a file of the source tree, NUL-terminated. */
static char *read_source(const char *name)
{
	const char *src = getenv("DVM_SRC");
	char path[512];

	snprintf(path, sizeof path, "%s/%s", src ? src : "..", name);
	FILE *f = fopen(path, "r");
	if (!f)
		return NULL;
	char *text = calloc(1, 65536);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

/* Drops the # of lines such as "#port: 7117". */
static void uncomment(char *text)
{
	for (char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		size_t n = *p == '#' ? strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
		if (n && p[1 + n] == ':')
			*p = '\n';
	}
}

static void example_and_manual_have_every_key(void **state)
{
	static const char *const keys[] = {
		"machine",     "name",	    "interface",       "port",	     "port_range",
		"slots",       "memory",    "failure_timeout", "kill_grace", "launch_timeout",
		"job_log_max", "log_level", "run_dir",	       "state_dir",
		"gres", "kvm_device", "queue_policy", "queue_depth", "queue_weights", "queue_half_life",
		"queue_shares", "queue_preempt", "queue_tiers",
	};
	struct dvmd_conf *c = *state;
	char *example = read_source("packaging/dvm.conf.example");
	char *manual = read_source("doc/man/dvm.conf.5.rst"), line[64];
	dvm_error_t err = { 0 };

	if (!example || !manual)
		skip();
	uncomment(example);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		snprintf(line, sizeof line, "\n%s: ", keys[i]);
		assert_non_null(strstr(example, line));
		snprintf(line, sizeof line, "\n**%s**\n", keys[i]);
		assert_non_null(strstr(manual, line));
	}
	if (parse(c, example, &err) < 0)
		fail_msg("%s", err.text);
	/* What it calls the defaults are the defaults. */
	struct dvmd_conf d;
	assert_int_equal(dvmd_conf_init(&d), 0);
	assert_int_equal(c->port, d.port);
	assert_true(c->failure_timeout == d.failure_timeout);
	assert_true(c->kill_grace == d.kill_grace);
	assert_true(c->launch_timeout == d.launch_timeout);
	assert_true(c->job_log_max == d.job_log_max);
	assert_int_equal(c->log_level, d.log_level);
	assert_int_equal(c->queue.order, d.queue.order);
	assert_int_equal(c->queue.preempt, d.queue.preempt);
	assert_int_equal(c->queue.w_age, d.queue.w_age);
	assert_int_equal(c->queue.w_fair, d.queue.w_fair);
	assert_int_equal(c->queue.w_asked, d.queue.w_asked);
	assert_true(c->queue.half_life == d.queue.half_life);
	dvmd_conf_free(&d);
	free(example);
	free(manual);
}

static struct dvmd_ifaddr make(const char *name, const char *text)
{
	struct dvmd_ifaddr a = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	strcpy(a.name, name);
	assert_int_equal(inet_pton(a.family, text, a.addr), 1);
	return a;
}

/* A host as they are: a cluster network, one to the world, a bridge, and IPv6 here and there. */
static size_t make_host(struct dvmd_ifaddr v[10])
{
	size_t n = 0;

	v[n++] = make("lo", "127.0.0.1");
	v[n++] = make("eth0", "192.168.1.7");
	v[n++] = make("ib0", "10.0.0.7");
	v[n++] = make("br0", "10.0.1.1");
	v[n++] = make("br0", "10.0.1.2");
	v[n++] = make("lo", "::1");
	v[n++] = make("eth0", "fe80::1");
	v[n++] = make("eth0", "2001:db8::7");
	v[n++] = make("six0", "2001:db8:1::9");
	v[n++] = make("six0", "fe80::2");
	return n;
}

static void addresses_are_chosen(void **state)
{
	static const struct {
		const char *interface, *address;
	} rows[] = {
		{ "eth0", "192.168.1.7" },	    { "lo", "127.0.0.1" },
		{ "six0", "2001:db8:1::9" },	    { "10.0.0.7", "10.0.0.7" },
		{ "10.0.0.0/24", "10.0.0.7" },	    { "10.0.0.9/24", "10.0.0.7" },
		{ "10.0.0.7/32", "10.0.0.7" },	    { "192.0.0.0/8", "192.168.1.7" },
		{ "2001:db8::/64", "2001:db8::7" }, { "2001:db8:1::9", "2001:db8:1::9" },
		{ "127.0.0.1", "127.0.0.1" },	    { "127.1.2.3", "127.1.2.3" },
		{ "127.0.0.0/8", "127.0.0.1" },
	};
	struct dvmd_ifaddr v[10];
	size_t n = make_host(v);
	char out[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		dvm_error_t err = { 0 };
		if (dvmd_conf_pick(v, n, rows[i].interface, out, &err) < 0)
			fail_msg("%s: %s", rows[i].interface, err.text);
		assert_string_equal(out, rows[i].address);
	}
	assert_int_equal(dvmd_conf_pick(v, 2, "", out, NULL), 0); /* lo and eth0 */
	assert_string_equal(out, "192.168.1.7");
	v[2] = v[1];
	assert_int_equal(dvmd_conf_pick(v, 3, "", out, NULL), 0); /* the same twice is one */
}

static void doubtful_addresses_are_refused(void **state)
{
	static const struct {
		const char *interface;
		int code;
		const char *hint;
	} rows[] = {
		{ "", -ENOTUNIQ,
		  "this host has several addresses: eth0 192.168.1.7, ib0 10.0.0.7" },
		{ "br0", -ENOTUNIQ, "br0 has several addresses: br0 10.0.1.1, br0 10.0.1.2;" },
		{ "10.0.0.0/8", -ENOTUNIQ, "10.0.0.0/8 has several" },
		{ "0.0.0.0/0", -ENOTUNIQ, "several" },
		{ "eth1", -EADDRNOTAVAIL, "did you mean eth0?" },
		{ "wlan9", -EADDRNOTAVAIL,
		  "no interface \"wlan9\" with an address; this host has: lo" },
		{ "10.9.9.9", -EADDRNOTAVAIL, "10.9.9.9 is not an address of this host" },
		{ "10.9.0.0/16", -EADDRNOTAVAIL, "holds no address of this host" },
		{ "10.0.0.0/33", -EINVAL, "not a network" },
		{ "10.0.0/24", -EINVAL, "not a network" },
		{ "eth0/24", -EINVAL, "not a network" },
		{ "10.0.0.0/", -EINVAL, "not a network" },
		{ "2001:db8::/129", -EINVAL, "not a network" },
	};
	struct dvmd_ifaddr v[10];
	size_t n = make_host(v);
	char out[INET6_ADDRSTRLEN] = "untouched";

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		dvm_error_t err = { 0 };
		assert_int_equal(dvmd_conf_pick(v, n, rows[i].interface, out, &err), rows[i].code);
		if (!strstr(err.text, rows[i].hint))
			fail_msg("\"%s\" does not say \"%s\"", err.text, rows[i].hint);
	}
	dvm_error_t err = { 0 };
	assert_int_equal(dvmd_conf_pick(v, 1, "", out, &err), -EADDRNOTAVAIL);
	assert_non_null(strstr(err.text, "127.0.0.1"));
	assert_int_equal(dvmd_conf_pick(v, 0, "x", out, &err), -EADDRNOTAVAIL);
	assert_string_equal(out, "untouched");
}

static void this_host_has_a_loopback(void **state)
{
	char out[INET6_ADDRSTRLEN];
	dvm_error_t err = { 0 };

	if (dvmd_conf_address("127.0.0.0/8", out, &err) < 0 && err.code == -EADDRNOTAVAIL)
		skip(); /* a namespace whose loopback is down */
	assert_string_equal(out, "127.0.0.1");
}

int main(void)
{
#define on_conf(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		on_conf(nothing_said_means_defaults),
		on_conf(every_key_is_taken),
		on_conf(flow_style_is_understood),
		on_conf(mistakes_are_named_with_their_line),
		on_conf(what_is_no_flat_mapping_is_refused),
		on_conf(any_bytes_do_no_harm),
		on_conf(a_file_is_found_where_it_should_be),
		on_conf(the_environment_goes_over_the_file),
		on_conf(example_and_manual_have_every_key),
		cmocka_unit_test(addresses_are_chosen),
		cmocka_unit_test(doubtful_addresses_are_refused),
		cmocka_unit_test(this_host_has_a_loopback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
