/* SPDX-License-Identifier: BSD-3-Clause */
/* What dvm/dynamic.h does under a shepherd without a machine: an error, and nothing is stuck. */
#include <errno.h>

#include <dvm/dynamic.h>

#include "tests/api/job.h"
#include "tests/api/minishep.h"

int no_machine(struct job *j)
{
	const char *argv[] = { "true", NULL };
	const dvm_spawn_config_t c = { .size = sizeof c, .argv = argv };
	dvm_error_t err = { 0 };
	uint64_t job;
	char value[8];
	dvm_event_t e;

	CHECK_INT(dvm_job_id(j->d), 1);
	CHECK_INT(dvm_parent_job(j->d, NULL), 0);
	CHECK_INT(dvm_job_spawn(j->d, &c, &job, &err), -ENOTSUP);
	CHECK(strstr(err.text, "no machine"));
	CHECK_INT(dvm_job_cancel(j->d, 2, NULL), -ENOTSUP);
	CHECK_INT(dvm_name_publish(j->d, "a", "b", 1, NULL), -ENOTSUP);
	CHECK_INT(dvm_name_lookup(j->d, "a", value, 8, NULL, NULL, NULL, 100, NULL), -ENOTSUP);
	CHECK_INT(dvm_name_unpublish(j->d, "a", NULL), -ENOTSUP);
	CHECK_INT(dvm_hosts(j->d, NULL, 0, NULL), -ENOTSUP);
	CHECK_INT(dvm_host_add(j->d, "a", NULL), -ENOTSUP);
	CHECK_INT(dvm_host_remove(j->d, "a", NULL), -ENOTSUP);
	CHECK_INT(dvm_watch(j->d, DVM_EVENT_ANY), -ENOTSUP);
	CHECK_INT(dvm_event(j->d, &e), 0);
	CHECK_INT(dvm_event_wait(j->d, &e, 5), -ETIMEDOUT);
	return 0;
}

/* Events and answers end with the shepherd. */
int vanishes_asked(struct job *j)
{
	dvm_event_t e;

	/* Everybody is there before it goes; it may go before everybody knows. */
	int rc = dvm_barrier(j->w);
	CHECK(rc == 0 || (j->rank != 0 && rc == -DVM_EPEERLOST));
	if (j->rank == 0)
		CHECK_INT(dvm_abort(j->d, 1, MINI_VANISH), 0);
	CHECK_INT(dvm_event_wait(j->d, &e, -1), -DVM_EPEERLOST);
	CHECK_INT(dvm_event(j->d, &e), -DVM_EPEERLOST);
	CHECK_INT(dvm_hosts(j->d, NULL, 0, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_close(j->d), -DVM_EPEERLOST);
	j->d = NULL;
	return 0;
}
