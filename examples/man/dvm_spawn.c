/* SPDX-License-Identifier: BSD-3-Clause */
/* Starts a job of three ranks of this program and waits until it is over. */
#include <stdio.h>

#include <dvm/coll.h>
#include <dvm/dvm.h>
#include <dvm/dynamic.h>

static int be_child(dvm_t *d)
{
	int sum, one = 1;
	int rc = dvm_allreduce(dvm_world(d), &one, &sum, 1, DVM_INT32, DVM_SUM);

	return rc < 0 ? rc : sum == dvm_size(d) ? 0 : 1;
}

/* The end of JOB may be told while others' news are read. */
static int wait_for_end(dvm_t *d, uint64_t job, dvm_event_t *event)
{
	int rc;

	do
		rc = dvm_event_wait(d, event, -1);
	while (rc >= 0 && (event->kind != DVM_EVENT_JOB_ENDED || event->job != job));
	return rc < 0 ? rc : 0;
}

static int be_parent(dvm_t *d, const char *program, dvm_error_t *err)
{
	const char *const argv[] = { program, NULL };
	const dvm_spawn_config_t config = {
		.size = sizeof config, .argv = argv, .ranks = 3, .flags = DVM_SPAWN_OVERSUBSCRIBE
	};
	dvm_event_t event;
	uint64_t job;
	int rc = dvm_watch(d, 1u << DVM_EVENT_JOB_ENDED); /* before there is what could end */

	if (rc >= 0)
		rc = dvm_job_spawn(d, &config, &job, err);
	if (rc >= 0)
		rc = wait_for_end(d, job, &event);
	if (rc >= 0)
		printf("a job of 3 ranks has run, exit code %d\n", (int)event.status);
	return rc;
}

int main(int argc, char **argv)
{
	dvm_error_t err = { 0 };
	dvm_t *d;

	if (dvm_open(&d, NULL, &err) < 0)
		return 1;
	int rc = dvm_parent_job(d, NULL) ? be_child(d) : be_parent(d, argv[0], &err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.code ? err.text : dvm_strerror(rc));
	return dvm_close(d) < 0 || rc != 0;
}
