/* SPDX-License-Identifier: BSD-3-Clause */
/* What dvm_open() makes of shepherds that answer wrongly. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dvm/dvm.h"
#include "libdvm/proto/rank.h"
#include "tests/unit/cm.h"

static void job_env(const char *path)
{
	setenv(DVMI_ENV_SHEPHERD, path, 1);
	setenv(DVMI_ENV_RANK, "0", 1);
	setenv(DVMI_ENV_SIZE, "2", 1);
	setenv(DVMI_ENV_NODE, "0", 1);
	setenv(DVMI_ENV_NNODES, "1", 1);
	setenv(DVMI_ENV_LOCAL_RANK, "0", 1);
	setenv(DVMI_ENV_LOCAL_SIZE, "2", 1);
}

static void open_fails(int code, const char *says)
{
	dvm_t *const untouched = (dvm_t *)8, *d = untouched;
	dvm_error_t err = { 0 };

	assert_int_equal(dvm_open(&d, NULL, &err), code);
	assert_ptr_equal(d, untouched);
	if (!strstr(err.text, says))
		fail_msg("'%s' does not say '%s'", err.text, says);
}

/* A shepherd that answers every HELLO with the N bytes at ANSWER and closes. */
static void answer_with(const void *answer, size_t n, int code, const char *says)
{
	char dir[] = "/tmp/dvm-api.XXXXXX";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	assert_non_null(mkdtemp(dir));
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/rank", dir);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 4), 0);
	pid_t pid = fork();
	if (pid == 0)
		for (;;) {
			char buf[1024];
			int c = accept(fd, NULL, NULL);
			if (c < 0 || recv(c, buf, sizeof buf, 0) < 0)
				_exit(1);
			if (n && send(c, answer, n, MSG_NOSIGNAL) < 0)
				_exit(1);
			close(c);
		}
	job_env(sa.sun_path);
	open_fails(code, says);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
	unlink(sa.sun_path);
	rmdir(dir);
}

static void bad_shepherds(void **state)
{
	struct {
		struct dvmi_rank_hdr h;
		char text[16];
	} p = { .h = { DVMI_RANK_VERSION, DVMI_RANK_REFUSED, 16 }, .text = "no such rank" };

	answer_with(NULL, 0, -DVM_EPEERLOST, "no answer");
	answer_with(&p, sizeof p, -DVM_EAUTH, "no such rank");
	p.h.version = 99;
	answer_with(&p, sizeof p, -DVM_EVERSION, "version");
	p.h.version = DVMI_RANK_VERSION;
	p.h.type = DVMI_RANK_CHANGED;
	answer_with(&p, sizeof p, -DVM_EPROTO, "makes no sense");
	/* A welcome without descriptors. */
	struct {
		struct dvmi_rank_hdr h;
		struct dvmi_rank_welcome w;
	} w = { .h = { DVMI_RANK_VERSION, DVMI_RANK_WELCOME, sizeof w.w } };
	answer_with(&w, sizeof w, -DVM_EPROTO, "makes no sense");
	p.h.len = 3;
	answer_with(&p, sizeof p, -DVM_EPROTO, "protocol");
	answer_with(&p, 5, -DVM_EPROTO, "protocol");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_shepherds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
