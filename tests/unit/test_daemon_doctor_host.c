/* SPDX-License-Identifier: BSD-3-Clause */
/* What is found on hosts that are made of a few files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/doctor_host.h"
#include "tests/unit/tmpdir.h"

static char root[TMPDIR_MAX], said[4096];

static void note(void *arg, const char *what, bool ok, const char *detail)
{
	size_t n = strlen(said);

	snprintf(said + n, sizeof said - n, "%s%s: %s\n", ok ? "" : "NO ", what, detail);
}

/* PATH with TEXT, and the directories above it. */
static void put(const char *path, const char *text)
{
	char full[512];

	snprintf(full, sizeof full, "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(full, 0755);
		*p = '/';
	}
	int fd = open(full, O_CREAT | O_WRONLY | O_TRUNC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static const char *look(void)
{
	said[0] = 0;
	dvmd_doctor_host(root, note, NULL);
	return said;
}

#define SAYS(text) assert_non_null(strstr(look(), text))
#define SILENT(text) assert_null(strstr(look(), text))

static int setup(void **state)
{
	tmpdir_make(root);
	return 0;
}

static int teardown(void **state)
{
	tmpdir_remove(root);
	return 0;
}

static void a_host_without_kvm(void **state)
{
	put("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu svm_lock avx\n");
	SAYS("NO guests: no /dev/kvm, and the processor offers neither svm nor vmx");
	SAYS("NO shared memory: this kernel has no userfaultfd");
	SILENT("devices");
	put("/proc/cpuinfo", "flags\t\t: fpu svm\n");
	SAYS("NO guests: no /dev/kvm: this node cannot run guests; load kvm_intel or kvm_amd");
}

static void a_software_backend(void **state)
{
	put("/dev/kvm", "");
	put("/proc/cpuinfo", "flags\t\t: fpu\nbugs\t\t: svm\n");
	put("/proc/sys/vm/unprivileged_userfaultfd", "1\n");
	SAYS("NO guests: /dev/kvm is a software backend (no svm or vmx)");
	put("/sys/module/kvm_pvm/initstate", "live");
	SAYS("NO guests: /dev/kvm is a software backend, kvm_pvm (no svm or vmx)");
	SAYS("\nshared memory: userfaultfd can be used");
}

static void a_host_for_guests(void **state)
{
	put("/dev/kvm", "");
	put("/proc/cpuinfo", "flags\t\t: fpu vmx ssse3\n");
	SAYS("guests: /dev/kvm can be used");
	SILENT("eptad");
	SAYS("NO guests' devices: no /usr/bin/passt: guests here have no --net user (Debian: passt)");
	put("/usr/bin/passt", "");
	SILENT("passt");
}

static void nested_tables_that_are_written_to(void **state)
{
	put("/dev/kvm", "");
	put("/proc/cpuinfo", "flags\t\t: fpu vmx\n");
	put("/sys/module/kvm_intel/parameters/eptad", "Y\n");
	SAYS("NO guests over several hosts: kvm_intel has eptad=Y");
	put("/sys/module/kvm_intel/parameters/eptad", "N\n");
	SAYS("\nguests over several hosts: kvm_intel has eptad=N");
	put("/sys/module/kvm_intel/parameters/ept", "N\n");
	SAYS("NO guests over several hosts: KVM walks page tables itself");
	put("/sys/module/kvm_intel/parameters/ept", "Y\n");
	put("/sys/module/kvm_amd/parameters/npt", "0\n");
	SAYS("NO guests over several hosts: KVM walks page tables itself");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_host_without_kvm, setup, teardown),
		cmocka_unit_test_setup_teardown(a_software_backend, setup, teardown),
		cmocka_unit_test_setup_teardown(a_host_for_guests, setup, teardown),
		cmocka_unit_test_setup_teardown(nested_tables_that_are_written_to, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
