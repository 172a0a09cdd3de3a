/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether guests can run is told by a device, whatever stands in its place. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/kvm.h"
#include "tests/unit/cm.h"

static void what_is_no_device_says_so(void **state)
{
	char path[] = "/tmp/dvm-kvm-XXXXXX", want[128];
	struct dvmd_kvm kvm = { .usable = true };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_true(dvmd_kvm_look(&kvm, path));
	assert_false(kvm.usable);
	snprintf(want, sizeof want, "%s: not KVM, or of another age", path);
	assert_string_equal(kvm.why, want);
	assert_false(dvmd_kvm_look(&kvm, path));

	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_true(dvmd_kvm_look(&kvm, path));
	snprintf(want, sizeof want, "%s: No such file or directory", path);
	assert_string_equal(kvm.why, want);

	/* Nobody will ever be at its other end. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(dvmd_kvm_look(&kvm, path));
	assert_false(kvm.usable);
	assert_int_equal(unlink(path), 0);
}

static void where_guests_run_it_is_found(void **state)
{
	struct dvmd_kvm kvm = { .why = "x" };

	if (access(DVMD_KVM_DEVICE, R_OK | W_OK) < 0)
		skip();
	assert_true(dvmd_kvm_look(&kvm, DVMD_KVM_DEVICE));
	assert_true(kvm.usable);
	assert_string_equal(kvm.why, "");
	assert_false(dvmd_kvm_look(&kvm, DVMD_KVM_DEVICE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_device_says_so),
		cmocka_unit_test(where_guests_run_it_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
