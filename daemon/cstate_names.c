/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Service names in the cluster state: what a job offers to the other jobs of its user.
 *
 * They are state, not something the leader remembers: a job goes on while its leader is restarted,
 * and what it has published must, too.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cstate_private.h"
#include "libdvm/base/err.h"

#define NAMES_MAX	   4096
#define NAMES_OF_A_USER	   1024
#define VALUE_MAX	   65536 /* MPI publishes lists of its ranks; libdvm has a smaller limit */

#define refuse(err, code, ...) dvmi_error_set(err, code, __VA_ARGS__)

static struct service_key key_of(uint32_t uid, const char *service)
{
	struct service_key key = { .uid = uid };

	strncpy(key.service, service, sizeof key.service - 1);
	return key;
}

static struct service *find(const struct dvmd_cstate *s, uint32_t uid, const char *service)
{
	struct service_key key = key_of(uid, service);
	struct service *v;

	HASH_FIND(hh, s->services, &key, sizeof key, v);
	return v;
}

const Pb__ServiceName *dvmd_cstate_name(const struct dvmd_cstate *s, uint32_t uid,
					const char *service)
{
	const struct service *v =
		strnlen(service, DVMI_RANK_SERVICE_MAX + 1) > DVMI_RANK_SERVICE_MAX ?
			NULL :
			find(s, uid, service);

	return v ? v->msg : NULL;
}

static unsigned count_of_user(const struct dvmd_cstate *s, uint32_t uid)
{
	unsigned n = 0;

	for (const struct service *v = s->services; v; v = v->hh.next)
		n += v->key.uid == uid;
	return n;
}

int dvmd_cstate_check_name(const Pb__ServiceName *n, dvm_error_t *err)
{
	size_t len = strnlen(n->service, DVMI_RANK_SERVICE_MAX + 1);

	if (len == 0 || len > DVMI_RANK_SERVICE_MAX)
		return refuse(err, -EINVAL, "the name of a service has 1 … %d bytes",
			      DVMI_RANK_SERVICE_MAX);
	if (n->value.len > VALUE_MAX)
		return refuse(err, -EINVAL, "a service is published with at most %d bytes, not %zu",
			      VALUE_MAX, n->value.len);
	return 0;
}

int dvmd_cstate_check_name_add(const struct dvmd_cstate *s, const Pb__ServiceName *n,
			       dvm_error_t *err)
{
	int rc = dvmd_cstate_check_name(n, err);
	const struct job *j = dvmd_cstate_find_job(s, n->job);

	if (rc < 0)
		return rc;
	if (!j || j->msg->state == PB__JOB_STATE__JOB_DONE || j->msg->spec->uid != n->uid)
		return refuse(err, -ENOENT, "job %llu is over", (unsigned long long)n->job);
	if (n->rank >= j->msg->placement->ranks)
		return refuse(err, -EINVAL, "job %llu has no rank %u", (unsigned long long)n->job,
			      n->rank);
	const struct service *known = find(s, n->uid, n->service);
	if (known)
		return refuse(err, -EEXIST, "%s is published by job %llu", n->service,
			      (unsigned long long)known->msg->job);
	if (HASH_COUNT(s->services) >= NAMES_MAX || count_of_user(s, n->uid) >= NAMES_OF_A_USER)
		return refuse(err, -ENOSPC, "too many services are published");
	return 0;
}

int dvmd_cstate_check_name_remove(const struct dvmd_cstate *s, const Pb__ServiceName *n,
				  dvm_error_t *err)
{
	int rc = dvmd_cstate_check_name(n, err);
	const struct service *v = rc < 0 ? NULL : find(s, n->uid, n->service);

	if (rc < 0)
		return rc;
	if (!v || (v->msg->job != n->job && !v->msg->once))
		return refuse(err, -ENOENT, "job %llu has not published %s",
			      (unsigned long long)n->job, n->service);
	return 0;
}

int dvmd_cstate_name_add(struct dvmd_cstate *s, const Pb__ServiceName *n)
{
	struct service *v = calloc(1, sizeof *v);

	if (!v || !(v->msg = dvmi_pb_dup(n))) {
		free(v);
		return -ENOMEM;
	}
	v->key = key_of(n->uid, n->service);
	HASH_ADD(hh, s->services, key, sizeof v->key, v);
	if (v->hh.tbl)
		return 0;
	dvmi_pb_free(v->msg);
	free(v);
	return -ENOMEM;
}

static void drop(struct dvmd_cstate *s, struct service *v)
{
	HASH_DEL(s->services, v);
	dvmi_pb_free(v->msg);
	free(v);
}

/*
 * Two sides that tell each other something do so by two names that differ in one word: port:connect
 * and port:accept, port:nextcid:send:0 and port:nextcid:recv:0.
 */
static bool are_counterparts(const char *a, const char *b)
{
	for (unsigned differ = 0;; a++, b++) {
		size_t len_a = strcspn(a, ":"), len_b = strcspn(b, ":");
		differ += len_a != len_b || memcmp(a, b, len_a) != 0;
		a += len_a;
		b += len_b;
		if (*a != *b)
			return false;
		if (!*a)
			return differ == 1;
	}
}

/*
 * READER has read what its peer has said. What it has said itself is for that peer, even if the
 * peer is slower to look than the next one, who may speak from now on.
 */
static void reserve_answer(struct dvmd_cstate *s, const Pb__ServiceName *said,
			   const Pb__ServiceName *reader)
{
	for (struct service *v = s->services; v; v = v->hh.next) {
		Pb__ServiceName *n = v->msg;
		if (!n->once || n->reader_job || n->uid != said->uid ||
		    n->job != reader->reader_job || n->rank != reader->reader_rank ||
		    !are_counterparts(n->service, said->service))
			continue;
		n->reader_job = said->job;
		n->reader_rank = said->rank;
	}
}

void dvmd_cstate_name_remove(struct dvmd_cstate *s, const Pb__ServiceName *n)
{
	struct service *v = find(s, n->uid, n->service);

	if (v->msg->once && n->reader_job)
		reserve_answer(s, v->msg, n);
	drop(s, v);
}

int dvmd_cstate_restore_name(struct dvmd_cstate *s, const Pb__ServiceName *n, dvm_error_t *err)
{
	int rc = dvmd_cstate_check_name_add(s, n, err);

	return rc < 0 ? rc : dvmd_cstate_name_add(s, n);
}

void dvmd_cstate_names_of_job(struct dvmd_cstate *s, uint64_t job)
{
	struct service *v, *next;

	HASH_ITER(hh, s->services, v, next)
		if (v->msg->job == job || v->msg->reader_job == job)
			drop(s, v);
}

void dvmd_cstate_names_free(struct dvmd_cstate *s)
{
	while (s->services)
		drop(s, s->services);
}
