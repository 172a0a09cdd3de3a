/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Run by root, the user's side is tried with another effective user; run by a user, what needs
 * files of other owners is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/paths.h"
#include "tests/unit/cm.h"
#include "tests/unit/tmpdir.h"

#define SOMEBODY 54321 /* a user who owns nothing */

struct fixture {
	char dir[TMPDIR_MAX], base[TMPDIR_MAX + 8], state[TMPDIR_MAX + 8];
	int fds[16], n_fds;
};

static const char *const variables[] = { "DVM_RUN_BASE",  "DVM_STATE_BASE",  "DVM_RUN_DIR",
					 "DVM_MACHINE",	  "XDG_RUNTIME_DIR", "XDG_STATE_HOME",
					 "DVM_LIBEXECDIR" };

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	tmpdir_make(f->dir);
	snprintf(f->base, sizeof f->base, "%s/run", f->dir);
	snprintf(f->state, sizeof f->state, "%s/state", f->dir);
	for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
		unsetenv(variables[i]);
	setenv("DVM_RUN_BASE", f->base, 1);
	setenv("DVM_STATE_BASE", f->state, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(seteuid(getuid()), 0);
	while (f->n_fds)
		close(f->fds[--f->n_fds]);
	tmpdir_remove(f->dir);
	free(f);
	return 0;
}

static struct dvmd_paths node_of(const char *machine, const char *node)
{
	struct dvmd_paths_want w = { .machine = machine, .node = node };
	struct dvmd_paths p;
	dvm_error_t err = { 0 };

	if (dvmd_paths_node(&p, &w, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static void defaults(void **state)
{
	struct dvmd_paths p;

	setenv("HOME", "/home/x", 1);
	unsetenv("DVM_RUN_BASE");
	unsetenv("DVM_STATE_BASE");
	if (getuid() == 0) {
		p = node_of(NULL, "n1");
		assert_string_equal(p.run, "/run/dvm/default/n1");
		assert_string_equal(p.base, "/run/dvm");
		assert_string_equal(p.state, "/var/lib/dvm/default/n1");
		assert_string_equal(p.client_sock, "/run/dvm/default/n1/client.sock");
		assert_int_equal(seteuid(SOMEBODY), 0);
	}
	char expected[64];
	p = node_of("lab", "n1");
	snprintf(expected, sizeof expected, "/tmp/dvm-%u/lab/n1", geteuid());
	assert_string_equal(p.run, expected);
	assert_string_equal(p.state, "/home/x/.local/state/dvm/lab/n1");
	setenv("XDG_STATE_HOME", "/st", 1);
	/* Of somebody else, or no directory: as good as none. */
	setenv("XDG_RUNTIME_DIR", geteuid() ? "/root" : "/nonexistent", 1);
	p = node_of("lab", "n1");
	assert_string_equal(p.run, expected);
	assert_string_equal(p.state, "/st/dvm/lab/n1");
}

static void the_users_runtime_directory_is_used(void **state)
{
	struct fixture *f = *state;
	char expected[TMPDIR_MAX + 32];

	unsetenv("DVM_RUN_BASE");
	setenv("XDG_RUNTIME_DIR", f->dir, 1);
	if (getuid() == 0) {
		assert_int_equal(chown(f->dir, SOMEBODY, (gid_t)-1), 0);
		assert_int_equal(seteuid(SOMEBODY), 0);
	}
	struct dvmd_paths p = node_of("lab", "n1");
	snprintf(expected, sizeof expected, "%s/dvm/lab/n1", f->dir);
	assert_string_equal(p.run, expected);
}

static void wishes_are_followed(void **state)
{
	struct dvmd_paths p;
	struct dvmd_paths_want w = {
		.machine = "lab", .node = "n1", .run_base = "/r", .state_base = "/s"
	};

	assert_int_equal(dvmd_paths_node(&p, &w, NULL), 0);
	assert_string_equal(p.run, "/r/lab/n1");
	assert_string_equal(p.state, "/s/lab/n1");
	w.with_host = true;
	assert_int_equal(dvmd_paths_node(&p, &w, NULL), 0);
	assert_string_equal(p.state, "/r/lab/n1/state");
	w.run = "/exact/run";
	w.state = "/exact/state";
	assert_int_equal(dvmd_paths_node(&p, &w, NULL), 0);
	assert_string_equal(p.run, "/exact/run");
	assert_string_equal(p.state, "/exact/state");
	assert_string_equal(p.base, "");
	w.run = "/here/lab/n1"; /* as a command line that has chosen the usual place */
	assert_int_equal(dvmd_paths_node(&p, &w, NULL), 0);
	assert_string_equal(p.base, "/here");
}

static void refuse(const struct dvmd_paths_want *w, int code, const char *hint)
{
	struct dvmd_paths p = { .machine = "untouched" };
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_paths_node(&p, w, &err), code);
	if (!strstr(err.text, hint))
		fail_msg("\"%s\" does not say \"%s\"", err.text, hint);
	assert_string_equal(p.machine, "untouched");
}

static void bad_names_and_places_are_refused(void **state)
{
	char name[65], base[DVMD_SUN_PATH_MAX];

	refuse(&(struct dvmd_paths_want){ .machine = "a/b", .node = "n" }, -EINVAL, "machine name");
	refuse(&(struct dvmd_paths_want){ .machine = "..", .node = "n" }, -EINVAL, "begin with");
	refuse(&(struct dvmd_paths_want){ .machine = "m", .node = "" }, -EINVAL, "empty");
	refuse(&(struct dvmd_paths_want){ .machine = "m", .node = "n", .run = "x" }, -EINVAL,
	       "absolute");
	refuse(&(struct dvmd_paths_want){ .machine = "m", .node = "n", .state = "x" }, -EINVAL,
	       "absolute");
	memset(name, 'n', 64);
	name[64] = 0;
	refuse(&(struct dvmd_paths_want){ .machine = "m", .node = name }, -EINVAL, "longer");
	name[63] = 0;
	refuse(&(struct dvmd_paths_want){ .machine = name, .node = "n" }, -ENAMETOOLONG,
	       "bytes too long");
	/* To the byte: the longest socket just fits. */
	memset(base, 'b', sizeof base);
	base[0] = '/';
	struct dvmd_paths_want w = { .machine = "m", .node = "n", .run = base };
	struct dvmd_paths p;
	size_t fits = DVMD_SUN_PATH_MAX - strlen("/jobs/18446744073709551615/shep.sock") - 1;
	assert_in_range(fits, 20, sizeof base - 2);
	base[fits + 1] = 0;
	refuse(&w, -ENAMETOOLONG, " 1 bytes too long");
	base[fits] = 0;
	w.state = "/s";
	assert_int_equal(dvmd_paths_node(&p, &w, NULL), 0);
}

static mode_t mode_of(const char *dir, const char *below)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof path, "%s%s", dir, below);
	return stat(path, &st) < 0 ? 0 : st.st_mode & 07777;
}

static int claim(struct fixture *f, const struct dvmd_paths *p)
{
	dvm_error_t err = { 0 };
	int fd = dvmd_paths_claim(p, &err);

	if (fd < 0)
		fail_msg("%s", err.text);
	f->fds[f->n_fds++] = fd;
	return fd;
}

static void a_claim_makes_what_is_needed(void **state)
{
	struct fixture *f = *state;
	struct dvmd_paths p = node_of("lab", "n1");
	bool root = geteuid() == 0;
	char pid[16] = "";

	umask(0); /* modes must not depend on it */
	int fd = claim(f, &p);
	umask(022);
	assert_int_equal(mode_of(p.run, ""), root ? 0755 : 0700);
	assert_int_equal(mode_of(p.run, "/.."), root ? 0755 : 0700);
	assert_int_equal(mode_of(f->base, ""), root ? 0755 : 0700);
	assert_int_equal(mode_of(p.run, "/jobs"), root ? 0711 : 0700);
	assert_int_equal(mode_of(p.run, "/dvmd.pid"), 0600);
	assert_int_equal(mode_of(p.state, ""), 0700);
	assert_true(pread(fd, pid, sizeof pid - 1, 0) > 1);
	assert_int_equal(atoi(pid), getpid());
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void a_node_runs_once(void **state)
{
	struct fixture *f = *state;
	struct dvmd_paths p = node_of("lab", "n1"), other = node_of("lab", "n2");
	dvm_error_t err = { 0 };

	claim(f, &p);
	assert_int_equal(dvmd_paths_claim(&p, &err), -EBUSY);
	assert_non_null(strstr(err.text, "n1"));
	claim(f, &other);
	close(f->fds[--f->n_fds]);
	claim(f, &other); /* after its daemon has ended */
}

static void release_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct dvmd_paths_want w = { .machine = "lab", .node = "n1", .with_host = true };
	struct dvmd_paths p, other = node_of("lab", "n2");
	char path[PATH_MAX];

	assert_int_equal(dvmd_paths_node(&p, &w, NULL), 0);
	int fd = dvmd_paths_claim(&p, NULL), fd2 = dvmd_paths_claim(&other, NULL);
	snprintf(path, sizeof path, "%s/jobs/1", p.run);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(symlink("/", strcat(path, "/root")), 0);
	assert_int_equal(dvmd_paths_release(&p, fd, NULL), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(mode_of(p.run, ""), 0);
	assert_int_not_equal(mode_of(other.run, ""), 0);
	assert_int_equal(dvmd_paths_release(&other, fd2, NULL), 0);
	snprintf(path, sizeof path, "%s/lab", f->base);
	assert_int_equal(mode_of(path, ""), 0);
	assert_int_not_equal(mode_of("/etc", ""), 0);
	/* What is durable elsewhere stays. */
	assert_int_not_equal(mode_of(other.state, ""), 0);
}

static void the_base_in_tmp_goes_with_its_last_machine(void **state)
{
	struct fixture *f = *state;
	char base[TMPDIR_MAX + 8];

	unsetenv("DVM_RUN_BASE");
	setenv("XDG_RUNTIME_DIR", f->dir, 1);
	if (getuid() == 0) {
		assert_int_equal(chown(f->dir, SOMEBODY, (gid_t)-1), 0);
		assert_int_equal(seteuid(SOMEBODY), 0);
	}
	struct dvmd_paths p = node_of("lab", "n1"), q = node_of("lab2", "n1");
	int a = dvmd_paths_claim(&p, NULL), b = dvmd_paths_claim(&q, NULL);
	assert_true(a >= 0 && b >= 0);
	snprintf(base, sizeof base, "%s/dvm", f->dir);
	assert_int_equal(dvmd_paths_release(&p, a, NULL), 0);
	assert_int_equal(mode_of(base, ""), 0700);
	assert_int_equal(dvmd_paths_release(&q, b, NULL), 0);
	assert_int_equal(mode_of(base, ""), 0);
}

/* A claim in a place that somebody has prepared. */
static void expect_unsafe(const char *hint)
{
	struct dvmd_paths p = node_of("lab", "n1");
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_paths_claim(&p, &err), -EPERM);
	if (!strstr(err.text, hint))
		fail_msg("\"%s\" does not say \"%s\"", err.text, hint);
	assert_int_equal(mode_of(p.run, ""), 0);
}

/* Each of BASE, BASE/lab and BASE/lab/n1 in turn is what it should not be. */
static void hostile_directories_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const levels[] = { "", "/lab", "/lab/n1" };
	char path[PATH_MAX], elsewhere[PATH_MAX];

	snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", f->dir);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s%s", f->base, levels[i]);
		assert_int_equal(mkdir(elsewhere, 0700), 0);
		assert_int_equal(symlink(elsewhere, path), 0);
		struct dvmd_paths p = node_of("lab", "n1");
		dvm_error_t err = { 0 };
		assert_int_equal(dvmd_paths_claim(&p, &err), -EPERM);
		assert_non_null(strstr(err.text, "link"));
		assert_int_equal(rmdir(elsewhere), 0); /* still empty */
		unlink(path);

		close(open(path, O_CREAT | O_WRONLY, 0600));
		assert_int_equal(dvmd_paths_claim(&p, &err), -EPERM);
		unlink(path);

		assert_int_equal(mkdir(path, 0700), 0);
		assert_int_equal(chmod(path, 0777), 0);
		assert_int_equal(dvmd_paths_claim(&p, &err), -EPERM);
		assert_non_null(strstr(err.text, "open to others"));
		assert_int_equal(chmod(path, 0700), 0);
		if (geteuid() == 0) {
			assert_int_equal(chown(path, SOMEBODY, (gid_t)-1), 0);
			assert_int_equal(dvmd_paths_claim(&p, &err), -EPERM);
			assert_non_null(strstr(err.text, "belongs to user 54321"));
			assert_int_equal(chown(path, 0, (gid_t)-1), 0);
		}
	}
}

static void a_users_directory_is_closed(void **state)
{
	struct fixture *f = *state;

	if (getuid() == 0) {
		assert_int_equal(chown(f->dir, SOMEBODY, (gid_t)-1), 0);
		assert_int_equal(seteuid(SOMEBODY), 0);
	}
	assert_int_equal(mkdir(f->base, 0700), 0);
	assert_int_equal(chmod(f->base, 0711), 0);
	expect_unsafe("mode 0711 instead of 0700");
}

static void a_parent_that_everybody_can_change_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(chmod(f->dir, 0777), 0);
	expect_unsafe("changed by everybody");
	assert_int_equal(chmod(f->dir, 01777), 0);
	struct dvmd_paths p = node_of("lab", "n1");
	claim(f, &p);
}

/* Listens at RUN/BELOW, as a daemon or a shepherd would. */
static void serve(struct fixture *f, const char *run, const char *below)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof addr.sun_path, "%s/%s", run, below);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	assert_int_equal(listen(fd, 1), 0);
	f->fds[f->n_fds++] = fd;
}

/* A node whose daemon is gone. */
static struct dvmd_paths left_behind(const char *machine, const char *node)
{
	struct dvmd_paths p = node_of(machine, node);
	int fd = dvmd_paths_claim(&p, NULL);

	assert_true(fd >= 0);
	close(fd);
	return p;
}

static void a_sweep_takes_dead_machines_only(void **state)
{
	struct fixture *f = *state;
	struct dvmd_paths dead1 = left_behind("dead", "n1"), dead2 = left_behind("dead", "n2");
	struct dvmd_paths half = left_behind("half", "n1"), lives = node_of("half", "n2");
	struct dvmd_paths kept = left_behind("kept", "n1"), job = left_behind("job", "n1");
	char path[PATH_MAX];

	claim(f, &lives);
	snprintf(path, sizeof path, "%s/jobs/12", job.run);
	assert_int_equal(mkdir(path, 0700), 0);
	serve(f, job.run, "jobs/12/shep.sock");
	snprintf(path, sizeof path, "%s/young", f->base); /* no dvmd.pid yet */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mkdir(strcat(path, "/n1"), 0700), 0);

	assert_int_equal(dvmd_paths_sweep(f->base, "kept", NULL), 2);
	assert_int_equal(mode_of(dead1.run, ""), 0);
	assert_int_equal(mode_of(dead2.run, ""), 0);
	assert_int_equal(mode_of(dead1.run, "/.."), 0);
	assert_int_not_equal(mode_of(half.run, ""), 0);
	assert_int_not_equal(mode_of(lives.run, ""), 0);
	assert_int_not_equal(mode_of(kept.run, ""), 0);
	assert_int_not_equal(mode_of(job.run, ""), 0);
	assert_int_not_equal(mode_of(path, ""), 0);
	/* The shepherd ends, and with it the last reason to stay. */
	close(f->fds[--f->n_fds]);
	assert_int_equal(dvmd_paths_sweep(f->base, NULL, NULL), 2);
	assert_int_equal(dvmd_paths_sweep(f->base, NULL, NULL), 0);
	assert_int_equal(dvmd_paths_sweep("/nonexistent", NULL, NULL), 0);
}

/* While nodes are swept, others are claimed: nobody loses a directory it has claimed. */
static void sweeps_and_claims_do_not_meet(void **state)
{
	struct fixture *f = *state;
	pid_t sweeper = fork();

	if (sweeper == 0) {
		for (int i = 0; i < 300; i++)
			dvmd_paths_sweep(f->base, NULL, NULL);
		_exit(0);
	}
	for (int i = 0; i < 200; i++) {
		char machine[16];
		snprintf(machine, sizeof machine, "m%d", i);
		struct dvmd_paths p = node_of(machine, "n1");
		dvm_error_t err = { 0 };
		int fd = dvmd_paths_claim(&p, &err);
		if (fd < 0)
			fail_msg("%s", err.text);
		assert_int_equal(access(p.state, F_OK), 0);
		assert_int_not_equal(mode_of(p.run, "/dvmd.pid"), 0);
		if (i % 2)
			assert_int_equal(dvmd_paths_release(&p, fd, &err), 0);
		else
			close(fd);
	}
	int status;
	assert_int_equal(waitpid(sweeper, &status, 0), sweeper);
	assert_int_equal(status, 0);
}

static void presence_is_listed(void **state)
{
	struct fixture *f = *state;
	struct dvmd_present *v;
	size_t n;

	assert_int_equal(dvmd_paths_list(&v, &n, NULL, NULL), 0);
	free(v);
	left_behind("b", "n10");
	left_behind("b", "n9");
	struct dvmd_paths a = left_behind("a", "x");
	serve(f, a.run, "client.sock");
	assert_int_equal(dvmd_paths_list(&v, &n, NULL, NULL), 0);
	assert_true(n >= 3);
	assert_string_equal(v[0].machine, "a");
	assert_true(v[0].alive && v[0].own);
	assert_string_equal(v[0].run, a.run);
	assert_string_equal(v[1].node, "n9");
	assert_false(v[1].alive);
	assert_string_equal(v[2].node, "n10");
	free(v);
	assert_int_equal(dvmd_paths_list(&v, &n, "b", NULL), 0);
	assert_int_equal(n, 2);
	free(v);
}

static void expect_found(const char *machine, const char *node, const char *run)
{
	char out[DVMD_SUN_PATH_MAX];
	dvm_error_t err = { 0 };

	if (dvmd_paths_find(out, machine, node, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(out, run);
}

static void expect_none(const char *machine, const char *node, int code, const char *hint)
{
	char out[DVMD_SUN_PATH_MAX];
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_paths_find(out, machine, node, &err), code);
	if (!strstr(err.text, hint))
		fail_msg("\"%s\" does not say \"%s\"", err.text, hint);
}

static void a_client_finds_its_daemon(void **state)
{
	struct fixture *f = *state;
	struct dvmd_paths n1 = left_behind("lab", "n1"), n2 = left_behind("lab", "n2");
	struct dvmd_paths other = left_behind("other", "x"), def = left_behind("default", "x");

	expect_none(NULL, NULL, -DVM_ENOMACHINE, "dvm up");
	expect_none("lab", NULL, -DVM_ENOMACHINE, "any more");
	expect_none("moon", NULL, -DVM_ENOMACHINE, "moon does not run here");
	expect_none("../x", NULL, -EINVAL, "machine name");
	serve(f, n2.run, "client.sock");
	expect_found(NULL, NULL, n2.run); /* the only one that runs */
	expect_found("lab", NULL, n2.run);
	serve(f, n1.run, "client.sock");
	expect_found("lab", NULL, n1.run);
	expect_found("lab", "n2", n2.run);
	expect_none("lab", "n3", -DVM_ENOMACHINE, "node n3 of machine lab");
	serve(f, other.run, "client.sock");
	expect_none(NULL, NULL, -ENOTUNIQ, "lab, other");
	setenv("DVM_MACHINE", "other", 1);
	expect_found(NULL, NULL, other.run);
	expect_found("lab", NULL, n1.run);
	unsetenv("DVM_MACHINE");
	serve(f, def.run, "client.sock");
	expect_found(NULL, NULL, def.run);
	setenv("DVM_RUN_DIR", "/some/where", 1);
	expect_found(NULL, NULL, "/some/where");
	expect_found("lab", NULL, n1.run);
}

static void programs_are_found(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX], out[PATH_MAX], self[PATH_MAX];
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_paths_program(out, sizeof out, "dvm-nonsense", &err), -ENOENT);
	assert_non_null(strstr(err.text, "DVM_LIBEXECDIR"));
	snprintf(path, sizeof path, "%s/dvm-nonsense", f->dir);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	setenv("DVM_LIBEXECDIR", f->dir, 1);
	assert_int_equal(dvmd_paths_program(out, sizeof out, "dvm-nonsense", &err), -ENOENT);
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(dvmd_paths_program(out, sizeof out, "dvm-nonsense", &err), 0);
	assert_string_equal(out, path);
	assert_int_equal(dvmd_paths_program(out, strlen(path), "dvm-nonsense", &err), -ENOENT);
	/* Beside this very program. */
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n] = 0;
	assert_int_equal(dvmd_paths_program(out, sizeof out, strrchr(self, '/') + 1, &err), 0);
	assert_string_equal(out, self);
}

int main(void)
{
#define in_dir(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		in_dir(defaults),
		in_dir(the_users_runtime_directory_is_used),
		in_dir(wishes_are_followed),
		in_dir(bad_names_and_places_are_refused),
		in_dir(a_claim_makes_what_is_needed),
		in_dir(a_node_runs_once),
		in_dir(release_leaves_nothing),
		in_dir(the_base_in_tmp_goes_with_its_last_machine),
		in_dir(hostile_directories_are_refused),
		in_dir(a_users_directory_is_closed),
		in_dir(a_parent_that_everybody_can_change_is_refused),
		in_dir(a_sweep_takes_dead_machines_only),
		in_dir(sweeps_and_claims_do_not_meet),
		in_dir(presence_is_listed),
		in_dir(a_client_finds_its_daemon),
		in_dir(programs_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
