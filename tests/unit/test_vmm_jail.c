/* SPDX-License-Identifier: BSD-3-Clause */
/* What a monitor that is shut in may still do, and what stops it: each in a process of its own. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kvm-node/jail.h"
#include "kvm-node/landlock.h"
#include "kvm-node/seccomp.h"
#include "tests/unit/tmpdir.h"

/* How a child ends that does FN: its exit code, or 1000 and the signal. */
static int outcome(int (*fn)(void))
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(fn());
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

#define STOPPED (1000 + SIGSYS)

static enum vmm_seccomp kind;

static int filter(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return 90;
	return vmm_seccomp_enter(kind) < 0 ? 91 : 0;
}

/* ---- calls ---- */

static int run_a_program(void)
{
	int rc = filter();

	return rc ? rc : execl("/bin/true", "true", (char *)NULL) < 0 ? 1 : 0;
}

static int fork_one(void)
{
	int rc = filter();

	return rc ? rc : fork() < 0 ? 1 : 0;
}

static int make_code(void)
{
	int rc = filter();

	return rc ? rc : mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
				MAP_FAILED;
}

static int signal_parent(void)
{
	int rc = filter();

	return rc ? rc : tgkill(getppid(), getppid(), 0) < 0 ? 1 : 0;
}

static int dial_out(void)
{
	int rc = filter();

	return rc ? rc : socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno == EPERM ? 7 : 1 : 0;
}

static int open_a_file(void)
{
	int rc = filter();

	return rc ? rc : open("/etc/passwd", O_RDONLY) < 0 && errno == EPERM ? 7 : 0;
}

static int type_at_the_terminal(void)
{
	char c = 'x';
	int rc = filter();

	return rc ? rc : ioctl(0, TIOCSTI, &c) < 0 && errno == EPERM ? 7 : 0;
}

static void *think(void *arg)
{
	*(int *)arg = 42;
	return NULL;
}

static int work_as_usual(void)
{
	int rc = filter(), answer = 0, p[2] = { -1, -1 };
	pthread_t t;

	if (rc)
		return rc;
	void *memory = malloc(1 << 22);
	memset(memory, 1, 1 << 22);
	free(memory);
	if (pthread_create(&t, NULL, think, &answer) || pthread_join(t, NULL) || answer != 42)
		return 2;
	return tgkill(getpid(), gettid(), 0) < 0 || write(2, "", 0) < 0 || p[0] != -1 ? 3 : 0;
}

static void filters_stop_what_is_hostile(void **state)
{
	static const enum vmm_seccomp kinds[] = { VMM_SECCOMP_ALL, VMM_SECCOMP_LOOP,
						  VMM_SECCOMP_VCPU, VMM_SECCOMP_HOSTS };
	static const int dialled[] = { [VMM_SECCOMP_ALL] = STOPPED,
				       [VMM_SECCOMP_LOOP] = STOPPED,
				       [VMM_SECCOMP_VCPU] = 7,
				       [VMM_SECCOMP_HOSTS] = 0 };

#ifndef HAVE_SECCOMP
	skip();
#endif
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		kind = kinds[i];
		assert_int_equal(outcome(work_as_usual), 0);
		assert_int_equal(outcome(run_a_program), STOPPED);
		assert_int_equal(outcome(fork_one), STOPPED);
		assert_int_equal(outcome(make_code), STOPPED);
		assert_int_equal(outcome(signal_parent), STOPPED);
		assert_int_equal(outcome(open_a_file), 7);
		assert_int_equal(outcome(type_at_the_terminal), 7);
		assert_int_equal(outcome(dial_out), dialled[kind]);
	}
}

/* ---- the jail ---- */

static char kept[TMPDIR_MAX];
static bool keep;

static int enter(struct vmm_jail *j)
{
	const struct vmm_jail_config c = { .dir = keep ? kept : NULL, .keep_user = keep };
	dvm_error_t err;

	vmm_jail_prepare(j);
	return vmm_jail_enter(j, &c, &err) < 0 ? 92 : 0;
}

/* Looking at a file is allowed, access() is not. */
static bool there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static int look_around(void)
{
	struct vmm_jail j;
	int rc = enter(&j);

	if (rc)
		return rc;
	if (!j.no_new_privs || !j.no_capabilities || prctl(PR_CAPBSET_READ, 0) > 0)
		return 2;
	if (j.empty_root && there("/etc/passwd"))
		return 3;
	if (j.own_user && (geteuid() == 0 || geteuid() != j.uid))
		return 4;
	return 0;
}

static int gain_root(void)
{
	struct vmm_jail j;
	int rc = enter(&j);

	if (rc || !j.own_user)
		return rc;
	return setuid(0) == 0 ? 5 : 0;
}

static int see_the_kept(void)
{
	struct vmm_jail j;
	int rc = enter(&j);

	if (rc || !j.empty_root)
		return rc;
	return !there("file") || there("/etc") ? 6 : 0;
}

static int tell(void)
{
	struct vmm_jail j = { 0 };
	struct dvmi_buf b = { 0 };

	vmm_jail_describe(&j, &b);
	dvmi_buf_put_u8(&b, 0);
	bool open = strstr((char *)b.data, "not shut in") != NULL;
	dvmi_buf_free(&b);
	if (enter(&j))
		return 92;
	vmm_jail_describe(&j, &b);
	dvmi_buf_put_u8(&b, 0);
	bool shut = strstr((char *)b.data, "no new privileges") != NULL;
	dvmi_buf_free(&b);
	return open && shut ? 0 : 1;
}

static void a_jail_has_no_way_back(void **state)
{
	keep = false;
	assert_int_equal(outcome(look_around), 0);
	assert_int_equal(outcome(gain_root), 0);
	assert_int_equal(outcome(tell), 0);
}

static void one_directory_can_be_kept(void **state)
{
	char path[TMPDIR_MAX + 8];

	tmpdir_make(kept);
	snprintf(path, sizeof path, "%s/file", kept);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	keep = true;
	assert_int_equal(outcome(see_the_kept), 0);
	tmpdir_remove(kept);
}

/* ---- the jail of a monitor that has threads already ---- */

static pthread_barrier_t gate;

/* Here before it is shut; what it finds then, as the codes of look_around(). */
static void *already_here(void *arg)
{
	struct vmm_jail *j = arg;

	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
	if (j->own_user && (geteuid() != j->uid || setuid(0) == 0))
		return (void *)4;
	if (j->empty_root && (there("/etc/passwd") || mkdir("/x", 0700) == 0))
		return (void *)3;
	if (j->seccomp && (open("/etc/passwd", O_RDONLY) >= 0 || errno != EPERM))
		return (void *)7;
	return NULL;
}

static int shut_threads_in(void)
{
	const struct vmm_jail_config c = { .hosts = true, .together = keep };
	struct vmm_jail j = { 0 };
	pthread_t t;
	void *found = NULL;
	dvm_error_t err;

	pthread_barrier_init(&gate, NULL, 2);
	if (pthread_create(&t, NULL, already_here, &j))
		return 90;
	pthread_barrier_wait(&gate);
	int rc = vmm_jail_enter(&j, &c, &err) < 0 ? 92 : !j.no_new_privs || (keep && j.own_user);
	pthread_barrier_wait(&gate);
	pthread_join(t, &found);
	if (rc == 0 && found)
		rc = (int)(intptr_t)found;
	if (rc == 0 && j.seccomp && prctl(PR_GET_SECCOMP) != 2)
		return 8;
	return rc;
}

static int shut_threads_out_of_programs(void)
{
	int rc = shut_threads_in();

	return rc ? rc : execl("/bin/true", "true", (char *)NULL) < 0 ? 1 : 0;
}

static void all_threads_are_shut_in(void **state)
{
	for (int i = 0; i < 2; i++) {
		keep = i;
		assert_int_equal(outcome(shut_threads_in), 0);
#ifdef HAVE_SECCOMP
		assert_int_equal(outcome(shut_threads_out_of_programs), STOPPED);
#endif
	}
}

/* ---- helpers ---- */

/* KEPT is a directory with the files "mine" and "other". */
static int only_its_file(void)
{
	struct vmm_landlock *l;

	if (chdir(kept) < 0 || vmm_landlock_create(&l) < 0)
		return 90;
	int mine = open("mine", O_RDONLY);
	if (vmm_landlock_file(l, mine, true) < 0 || vmm_landlock_program(l, "/bin/true") < 0)
		return 91;
	vmm_jail_lower(geteuid(), getegid());
	if (vmm_landlock_enter(l) < 0)
		return 92;
	vmm_landlock_destroy(l);
	if (open("mine", O_RDWR) < 0 || open("/usr/bin/env", O_RDONLY) < 0)
		return 1;
	if (open("other", O_RDONLY) >= 0 || open("new", O_WRONLY | O_CREAT, 0600) >= 0 ||
	    unlink("mine") == 0 || open("/etc/passwd", O_RDONLY) >= 0)
		return 2;
	return errno == EACCES && execl("/bin/true", "true", (char *)NULL) < 0 ? 3 : 4;
}

static void a_helper_has_its_files(void **state)
{
	char path[TMPDIR_MAX + 8];
	struct vmm_landlock *l;

	if (vmm_landlock_create(&l) < 0)
		skip(); /* a kernel without it */
	vmm_landlock_destroy(l);
	tmpdir_make(kept);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", kept, i ? "other" : "mine");
		close(open(path, O_WRONLY | O_CREAT, 0600));
	}
	assert_int_equal(outcome(only_its_file), 0);
	tmpdir_remove(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_stop_what_is_hostile),
		cmocka_unit_test(a_jail_has_no_way_back),
		cmocka_unit_test(one_directory_can_be_kept),
		cmocka_unit_test(all_threads_are_shut_in),
		cmocka_unit_test(a_helper_has_its_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
