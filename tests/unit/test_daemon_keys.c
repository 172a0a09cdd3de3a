/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "daemon/keys.h"
#include "tests/unit/cm.h"

static char dir[] = "/tmp/dvm-test-keys.XXXXXX";
static char path[64];

static int set_up(void **state)
{
	strcpy(strrchr(dir, '.'), ".XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/key", dir);
	return 0;
}

static int tear_down(void **state)
{
	unlink(path);
	return rmdir(dir); /* fails if anything was left behind */
}

static void write_file(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void made_once_and_found_again(void **state)
{
	struct dvmd_keys a, b;
	dvm_error_t err;
	struct stat st;
	uint8_t pk[32];

	assert_int_equal(dvmd_keys_load(&a, path, &err), 1);
	assert_int_equal(dvmd_keys_load(&b, path, &err), 0);
	assert_memory_equal(&a, &b, sizeof a);
	crypto_scalarmult_base(pk, a.secret_key);
	assert_memory_equal(pk, a.public_key, 32);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	dvmd_keys_wipe(&b);
	assert_true(sodium_is_zero(b.secret_key, 32));
}

static void libzmq_derives_the_same_public_key(void **state)
{
	struct dvmd_keys k;
	char pub[41], sec[41], derived[41];

	assert_int_equal(dvmd_keys_load(&k, path, NULL), 1);
	zmq_z85_encode(sec, k.secret_key, 32);
	zmq_z85_encode(pub, k.public_key, 32);
	assert_int_equal(zmq_curve_public(derived, sec), 0);
	assert_string_equal(pub, derived);
}

static void readable_by_others_is_refused(void **state)
{
	static const mode_t bad[] = { 0640, 0604, 0644, 0660, 0601 };
	struct dvmd_keys k;
	dvm_error_t err;

	assert_int_equal(dvmd_keys_load(&k, path, NULL), 1);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(chmod(path, bad[i]), 0);
		assert_int_equal(dvmd_keys_load(&k, path, &err), -EACCES);
		assert_non_null(strstr(err.text, "chmod 600"));
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(dvmd_keys_load(&k, path, &err), 0);
}

static void somebody_elses_is_refused(void **state)
{
	struct dvmd_keys k;
	dvm_error_t err;

	if (geteuid() != 0)
		skip();
	assert_int_equal(dvmd_keys_load(&k, path, NULL), 1);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(dvmd_keys_load(&k, path, &err), -EACCES);
	assert_non_null(strstr(err.text, "65534"));
}

static void what_is_no_key_is_refused(void **state)
{
	static const char hex[] =
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	static const char *const heads[] = { "", "dvm-secret-key-1", "dvm-secret-key-2 ",
					     "-----BEGIN OPENSSH PRIVATE KEY-----\n" };
	struct dvmd_keys k = { { 1 }, { 2 } }, before = k;
	char text[256];
	dvm_error_t err;

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		snprintf(text, sizeof text, "%s%s\n", heads[i], hex);
		write_file(text, 0600);
		assert_int_equal(dvmd_keys_load(&k, path, &err), -EBADMSG);
		assert_non_null(strstr(err.text, path));
	}
	snprintf(text, sizeof text, "dvm-secret-key-1 %s\n", hex);
	for (size_t n = 0; n < strlen(text); n++) {
		char cut[256];
		snprintf(cut, sizeof cut, "%.*s", (int)n, text);
		write_file(cut, 0600);
		assert_int_equal(dvmd_keys_load(&k, path, &err), -EBADMSG);
	}
	assert_memory_equal(&k, &before, sizeof k);
	write_file(text, 0600);
	assert_int_equal(dvmd_keys_load(&k, path, &err), 0);
	strcat(text, "x");
	write_file(text, 0600);
	assert_int_equal(dvmd_keys_load(&k, path, &err), -EBADMSG);
}

static void links_and_devices_are_refused(void **state)
{
	struct dvmd_keys k;

	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_equal(dvmd_keys_load(&k, path, NULL), -ELOOP);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(dvmd_keys_load(&k, path, NULL), -EBADMSG);
}

static void no_directory_no_key(void **state)
{
	struct dvmd_keys k;
	dvm_error_t err;

	assert_int_equal(dvmd_keys_load(&k, "/nonexistent/dvm/key", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/dvm/key"));
}

/* A file size limit stands in for a full disk: nothing half-written may be found afterwards. */
static void a_full_disk_leaves_nothing(void **state)
{
	struct rlimit old, none = { 10, 10 };
	struct dvmd_keys k;
	int status;

	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN);
		getrlimit(RLIMIT_FSIZE, &old);
		none.rlim_max = old.rlim_max;
		setrlimit(RLIMIT_FSIZE, &none);
		_exit(dvmd_keys_load(&k, path, NULL) < 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void many_at_once_agree(void **state)
{
	struct dvmd_keys mine, theirs;
	int fds[2], children = 16;

	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < children; i++)
		if (fork() == 0) {
			int rc = dvmd_keys_load(&mine, path, NULL);
			_exit(rc >= 0 && write(fds[1], &mine, sizeof mine) == sizeof mine ? 0 : 1);
		}
	for (int i = 0; i < children; i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(dvmd_keys_load(&mine, path, NULL), 0);
	for (int i = 0; i < children; i++) {
		assert_int_equal(read(fds[0], &theirs, sizeof theirs), sizeof theirs);
		assert_memory_equal(&mine, &theirs, sizeof mine);
	}
	close(fds[0]);
	close(fds[1]);
}

static void a_token_round_trip(void **state)
{
	char text[DVMD_TOKEN_TEXT], again[DVMD_TOKEN_TEXT], messy[2 * DVMD_TOKEN_TEXT];
	uint8_t server[32], pk[32], derived[32];
	struct dvmd_token t;
	dvm_error_t err;

	randombytes_buf(server, sizeof server);
	assert_int_equal(dvmd_token_make(text, pk, server), 0);
	assert_int_equal(dvmd_token_make(again, derived, server), 0);
	assert_string_not_equal(text, again);
	assert_int_equal(dvmd_token_parse(&t, text, &err), 0);
	assert_memory_equal(t.server_key, server, 32);
	assert_memory_equal(t.keys.public_key, pk, 32);
	crypto_scalarmult_base(derived, t.keys.secret_key);
	assert_memory_equal(derived, pk, 32);

	snprintf(messy, sizeof messy, " \t%s\r\n", text);
	for (char *p = messy; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	assert_int_equal(dvmd_token_parse(&t, messy, &err), 0);
	assert_memory_equal(t.keys.public_key, pk, 32);
}

static void a_damaged_token_is_noticed(void **state)
{
	char text[DVMD_TOKEN_TEXT], bad[DVMD_TOKEN_TEXT + 1];
	struct dvmd_token t;
	uint8_t server[32] = { 1 }, pk[32];
	dvm_error_t err;

	assert_int_equal(dvmd_token_make(text, pk, server), 0);
	for (size_t i = 5; text[i]; i++) {
		strcpy(bad, text);
		bad[i] = text[i] == 'a' ? 'b' : 'a';
		assert_int_equal(dvmd_token_parse(&t, bad, &err), -EINVAL);
		assert_non_null(strstr(err.text, "damaged"));
		bad[i] = '1'; /* not of the alphabet */
		assert_int_equal(dvmd_token_parse(&t, bad, &err), -EINVAL);
		strcpy(bad, text);
		bad[i] = '\0';
		assert_int_equal(dvmd_token_parse(&t, bad, &err), -EINVAL);
		assert_non_null(strstr(err.text, "copied whole"));
	}
	for (size_t i = 5; text[i + 1]; i++) { /* two neighbours exchanged */
		if (text[i] == text[i + 1])
			continue;
		strcpy(bad, text);
		bad[i] = text[i + 1];
		bad[i + 1] = text[i];
		assert_int_equal(dvmd_token_parse(&t, bad, &err), -EINVAL);
	}
	snprintf(bad, sizeof bad, "%sa", text);
	assert_int_equal(dvmd_token_parse(&t, bad, &err), -EINVAL);
}

static void what_is_no_token_is_named(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{ "", -EINVAL },
		{ "   ", -EINVAL },
		{ "dvm", -EINVAL },
		{ "dvm1", -EINVAL },
		{ "dvm1-", -EINVAL },
		{ "192.168.1.1", -EINVAL },
		{ "dvmx-abc", -EINVAL },
		{ "dvm-abc", -EINVAL },
		{ "token", -EINVAL },
		{ "dvm2-abc", -DVM_EVERSION },
		{ "dvm12-", -DVM_EVERSION },
		{ "dvm1 -", -EINVAL },
	};
	struct dvmd_token t;
	dvm_error_t err;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		err.text[0] = '\0';
		assert_int_equal(dvmd_token_parse(&t, cases[i].text, &err), cases[i].code);
		assert_true(strlen(err.text) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_once_and_found_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(libzmq_derives_the_same_public_key, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(readable_by_others_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(somebody_elses_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_key_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links_and_devices_are_refused, set_up, tear_down),
		cmocka_unit_test(no_directory_no_key),
		cmocka_unit_test_setup_teardown(a_full_disk_leaves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_at_once_agree, set_up, tear_down),
		cmocka_unit_test(a_token_round_trip),
		cmocka_unit_test(a_damaged_token_is_noticed),
		cmocka_unit_test(what_is_no_token_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
