/* SPDX-License-Identifier: BSD-3-Clause */
/* Shares of before a restart, and those whose time has come. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/agent_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"

#define STATUS_MAX   (4 << 20)	     /* bytes */
#define RELEASED_MAX (15 * DVMI_SEC) /* a shepherd that is still there then is stuck */
#define STRAY_EVERY  30		     /* ticks between looks for directories of forgotten jobs */

/* The file is the user's: nothing in it or about it is taken on trust. */
static int open_status(const struct dvmd_share *s, size_t *size)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof path, "%s/jobs/%llu/status", s->agent->d->setup.run_dir,
		 (unsigned long long)s->job);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (st.st_uid != s->uid && st.st_uid != getuid()) || st.st_size > STATUS_MAX)
		return -1;
	*size = (size_t)st.st_size;
	return take_fd(fd);
}

static Pb__JobStatus *read_status(const struct dvmd_share *s)
{
	size_t size = 0;
	cleanup_fd int fd = open_status(s, &size);
	cleanup_free uint8_t *buf = fd < 0 ? NULL : malloc(size + 1);
	Pb__JobStatus *st = NULL;

	if (!buf || read(fd, buf, size) != (ssize_t)size ||
	    dvmi_pb_unpack(&pb__job_status__descriptor, buf, size, &st) < 0)
		return NULL;
	if (st->job == s->job)
		return st;
	dvmi_pb_free(st);
	return NULL;
}

/* No shepherd has come: either it had finished while we were away, or it is dead. */
static void hello_missed(struct dvmd_share *s)
{
	Pb__JobStatus *st = read_status(s);

	s->hello_by = UINT64_MAX;
	if (dvmd_status_is_final(st)) {
		dvmd_share_take_status(s, st);
		return;
	}
	dvmi_pb_free(st);
	dvmd_share_orphan(s, "is gone", false);
}

/* A shepherd takes its socket with it, unless it is killed. */
static bool has_socket(const struct dvmd_agent *a, uint64_t job)
{
	char path[512];

	snprintf(path, sizeof path, "%s/jobs/%llu/shep.sock", a->d->setup.run_dir,
		 (unsigned long long)job);
	return access(path, F_OK) == 0;
}

static int recover_record(const Pb__JobRecord *r, void *arg)
{
	struct dvmd_agent *a = arg;

	if (!dvmd_share_own(a->d, r->placement) || dvmd_agent_share(a, r->id))
		return 0;
	if (r->state != PB__JOB_STATE__JOB_DONE)
		dvmd_share_add(a, r->id, r->spec, r->placement, r->origin);
	else if (has_socket(a, r->id))
		dvmd_agent_clean_up(a, r->id);
	return 0;
}

void dvmd_agent_recover(struct dvmd_agent *a)
{
	dvmd_cstate_each_job(dvmd_state(a->d), recover_record, a);
}

/* A shepherd that was told to go and has not: stopped by its user, or hung. */
static void end_stuck(struct dvmd_share *s)
{
	dvmi_log(&s->agent->d->log, "job", LOG_WARNING, "job %llu: its shepherd is stuck: killed",
		 (unsigned long long)s->job);
	s->released_at = dvmi_clock_mono();
	if (s->child)
		dvmd_child_kill(s->child);
	dvmd_agent_clean_up(s->agent, s->job);
}

/* Its job ended while we were away. What it left would carry on, were its shepherd killed, too. */
static void end_forgotten(struct dvmd_share *s)
{
	if (has_socket(s->agent, s->job))
		dvmd_agent_clean_up(s->agent, s->job);
	dvmd_share_remove(s);
}

static void tick_share(struct dvmd_share *s, uint64_t now)
{
	/* A share of before a restart stays when it is done elsewhere: the log has the last word.
	 */
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(s->agent->d), s->job);

	if (s->released && now - s->released_at > RELEASED_MAX)
		end_stuck(s);
	else if (!s->stream && !s->child && !s->released && now > s->hello_by)
		hello_missed(s);
	else if (!s->stream && !s->child && r && r->state == PB__JOB_STATE__JOB_DONE)
		end_forgotten(s);
	else if (s->status && !s->released)
		dvmd_share_repeat(s, r, now);
}

static bool in_use(uint64_t job, void *arg)
{
	return dvmd_agent_share(arg, job) != NULL;
}

void dvmd_agent_tick(struct dvmd_agent *a)
{
	struct dvmd_share *s, *tmp;
	uint64_t now = dvmi_clock_mono();

	if (!a->d->ready)
		return;
	HASH_ITER(hh, a->shares, s, tmp)
		tick_share(s, now);
	if (a->ticks++ % STRAY_EVERY == 0)
		dvmd_child_remove_strays(a->d, in_use, a);
}
