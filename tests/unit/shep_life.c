/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole lives of jobs under shep_rig.c: what the tests of the shepherd have in common. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "daemon/sweep.h"
#include "tests/unit/cm.h"
#include "tests/unit/shep_rig.h"

int rig_setup(void **state)
{
	*state = calloc(1, sizeof(struct rig));
	return *state ? 0 : -1;
}

int rig_teardown(void **state)
{
	struct rig *r = *state;

	if (r->n)
		rig_end(r);
	free(r);
	return 0;
}

void rig_start_all(struct rig *r, const char *const *options)
{
	for (size_t i = 0; i < r->n; i++)
		rig_start(r, i, options);
}

const char *rig_job_file(const struct rig *r, size_t i, const char *name, char path[128])
{
	snprintf(path, 128, "%s/jobs/%d/%s", r->nodes[i].dir, RIG_JOB, name);
	return path;
}

bool rig_no_survivors(struct rig *r, void *arg)
{
	return rig_survivors(r) == 0;
}

/* To the end, released, all clean. */
void rig_finish(struct rig *r)
{
	char path[128];

	rig_run(r, "the job's end", rig_over, NULL);
	assert_int_equal(r->torn, 0);
	rig_release(r);
	rig_run(r, "the shepherds' ends", rig_exited, NULL);
	for (size_t i = 0; i < r->n; i++) {
		struct dvmd_place place = rig_place(r, i);
		char group[PATH_MAX];
		assert_int_equal(r->nodes[i].wait, 0);
		assert_int_equal(access(rig_job_file(r, i, "status", path), F_OK), -1);
		assert_int_equal(access(rig_job_file(r, i, "shep.sock", path), F_OK), -1);
		dvmd_sweep_tidy(&place);
		if (dvmd_cgroup_path(group, &place) == 0)
			assert_int_equal(access(group, F_OK), -1);
		assert_int_equal(dvmd_sweep_job(&place), 0);
	}
	assert_int_equal(rig_survivors(r), 0);
}

void rig_init_sh(struct rig *r, size_t nodes, uint32_t ranks, const char *script)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	rig_init(r, nodes, ranks, argv);
}

void rig_init_payload(struct rig *r, size_t nodes, uint32_t ranks, const char *verb,
		      const char *arg)
{
	static char program[512];
	const char *argv[] = { program, verb, arg, NULL };

	snprintf(program, sizeof program, "%s/tests/unit/shep_payload", getenv("DVM_BUILD"));
	rig_init(r, nodes, ranks, argv);
}

struct said {
	uint32_t rank;
	const char *text;
};

static bool has_said(struct rig *r, void *arg)
{
	const struct said *said = arg;

	return strstr(rig_text(r, said->rank, 1), said->text);
}

void rig_wait_said(struct rig *r, uint32_t rank, const char *text)
{
	struct said said = { .rank = rank, .text = text };

	rig_run(r, text, has_said, &said);
}

/* The job's directory is the rig's. */
void rig_work_here(struct rig *r)
{
	free(r->launch->spec->wdir);
	r->launch->spec->wdir = strdup(r->base);
}

void rig_make_file(struct rig *r, const char *name, const char *text, mode_t mode)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", r->base, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fchmod(fd, mode);
	close(fd);
}

bool rig_has_hellos(struct rig *r, void *arg)
{
	return r->nodes[0].hellos >= *(uint64_t *)arg;
}
