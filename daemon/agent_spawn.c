/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sodium.h>

#include "daemon/agent_spawn.h"
#include "daemon/paths.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define LAUNCH_FD 3

struct dvmd_child {
	uv_process_t process;
	dvmd_child_exit_fn *cb; /* NULL: forgotten */
	void *arg;
};

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void on_exit_status(uv_process_t *p, int64_t status, int signal)
{
	struct dvmd_child *c = p->data;

	if (c->cb)
		c->cb((int)status, signal, c->arg);
	uv_close((uv_handle_t *)p, on_closed);
}

void dvmd_child_forget(struct dvmd_child *c)
{
	if (!c)
		return;
	c->cb = NULL;
	uv_close((uv_handle_t *)&c->process, on_closed);
}

void dvmd_child_kill(struct dvmd_child *c)
{
	uv_process_kill(&c->process, SIGKILL);
}

static int write_all(int fd, const void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t w = write(fd, (const uint8_t *)p + at, n - at);
		if (w < 0 && errno != EINTR)
			return -errno;
		at += w > 0 ? (size_t)w : 0;
	}
	return 0;
}

/* The cookie and the launch, in memory that only the child will see. */
static int make_launch_fd(const uint8_t *launch, size_t len, uint8_t cookie[DVMD_COOKIE_BYTES])
{
	cleanup_fd int fd = memfd_create("dvm-launch", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	randombytes_buf(cookie, DVMD_COOKIE_BYTES);
	int rc = write_all(fd, cookie, DVMD_COOKIE_BYTES);
	if (rc == 0)
		rc = write_all(fd, launch, len);
	return rc < 0 ? rc : take_fd(fd);
}

static int spawn(struct dvmd_child *c, struct dvmd *d, const char *program, int launch_fd)
{
	char node[16], spool[32];
	char *args[] = { (char *)program, (char *)"--run-dir", (char *)d->setup.run_dir,
			 (char *)"--node-id", node, (char *)"--spool-bytes", spool,
			 NULL };
	uv_stdio_container_t stdio[LAUNCH_FD + 1] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		{ .flags = UV_INHERIT_FD, .data.fd = launch_fd },
	};
	const uv_process_options_t options = { .exit_cb = on_exit_status,
					       .file = program,
					       .args = args,
					       .flags = UV_PROCESS_DETACHED,
					       .stdio_count = LAUNCH_FD + 1,
					       .stdio = stdio };

	snprintf(node, sizeof node, "%u", d->self);
	snprintf(spool, sizeof spool, "%" PRIu64, d->setup.job_log_max);
	return uv_spawn(d->loop, &c->process, &options);
}

int dvmd_child_spawn(struct dvmd_child **out, struct dvmd *d, const uint8_t *launch, size_t len,
		     uint8_t cookie[DVMD_COOKIE_BYTES], dvmd_child_exit_fn *cb, void *arg,
		     dvm_error_t *err)
{
	char program[512];
	int rc = dvmd_paths_program(program, sizeof program, "dvm-shepherd", err);

	if (rc < 0)
		return rc;
	cleanup_fd int fd = make_launch_fd(launch, len, cookie);
	if (fd < 0)
		return dvmi_error_code(err, fd, "handing the launch to the shepherd");
	struct dvmd_child *c = calloc(1, sizeof *c);
	if (!c)
		return dvmi_error_code(err, -ENOMEM, "shepherd");
	c->cb = cb;
	c->arg = arg;
	c->process.data = c;
	rc = spawn(c, d, program, fd);
	if (rc < 0) {
		uv_close((uv_handle_t *)&c->process, on_closed);
		return dvmi_error_code(err, rc, "%s", program);
	}
	*out = c;
	return 0;
}

/* The files in a job's directory are its user's, so nothing is followed. */
static void remove_job_dir(const char *jobs, const char *name)
{
	char path[1024];

	if (snprintf(path, sizeof path, "%s/%s", jobs, name) < (int)sizeof path)
		dvmd_paths_remove(path, NULL);
}

void dvmd_child_remove_strays(struct dvmd *d, bool (*in_use)(uint64_t job, void *arg), void *arg)
{
	uint64_t next = dvmd_cstate_next_job(dvmd_state(d));
	char path[512];
	struct dirent *e;

	snprintf(path, sizeof path, "%s/jobs", d->setup.run_dir);
	cleanup_dir DIR *dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		char *end;
		uint64_t job = strtoull(e->d_name, &end, 10);
		/* A job's directory may be there before the log's news of it. */
		if (!*end && job && job < next && !dvmd_cstate_job(dvmd_state(d), job) &&
		    !in_use(job, arg))
			remove_job_dir(path, e->d_name);
	}
}
