/* SPDX-License-Identifier: BSD-3-Clause */
/* What MPI asks of the machine, as questions of the shepherd's own. */
#include <errno.h>
#include <stdio.h>

#include "daemon/shepherd/shepherd_private.h"
#include "dvm/error.h"
#include "libdvm/proto/msgtype.h"

#define SPAWN_MS  90000u
#define QUICK_MS  30000u
#define TURN_MS	  3600000u /* a name for one reader waits for the last one's, as long as a lookup */

static void on_heard(struct shep *s, int code, const struct shep_reply *r, uint64_t id)
{
	char text[DVMI_RANK_TEXT_MAX + 1] = "";
	struct shep_mpi_said said = { .code = code, .text = text, .job = r->job, .rank = r->rank };

	if (code < 0)
		snprintf(text, sizeof text, "%.*s", (int)r->len, (const char *)r->bytes);
	said.bytes = code < 0 ? NULL : r->bytes;
	said.len = code < 0 ? 0 : r->len;
	if (s->mpi)
		shep_mpi_heard(s->mpi, id, &said);
}

/* A new question, or NULL and the answer that there is no memory for it. */
static struct shep_ask *ask(struct shep *s, uint16_t type, uint32_t ms, uint64_t id)
{
	static const char none[] = "out of memory";
	struct shep_ask *a = shep_asks_heard(s, type, ms, on_heard, id);

	if (!a)
		on_heard(s, -ENOMEM, &(struct shep_reply){ .bytes = none, .len = sizeof none - 1 },
			 id);
	return a;
}

void shep_ask_mpi_spawn(uint64_t id, Pb__JobSpec *spec, void *arg)
{
	struct shep_ask *a = ask(arg, DVMI_RANK_SPAWN, SPAWN_MS, id);

	if (a)
		shep_ask_spawn_spec(arg, a, spec);
}

void shep_ask_mpi_name(uint64_t id, uint16_t type, const Pb__NameRequest *req, uint32_t wait_ms,
		       void *arg)
{
	uint16_t like = type == DVMI_MSG_NAME_GET ? DVMI_RANK_NAME_GET : DVMI_RANK_NAME_PUT;
	struct shep_ask *a =
		ask(arg, like, wait_ms ? wait_ms : req->once ? TURN_MS : QUICK_MS, id);

	if (!a)
		return;
	a->timeout_ms = wait_ms;
	shep_ask_name(arg, a, type, req);
}

static void on_record(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	if (!shep_ask_failed(s, a, said))
		shep_ask_answer(s, a,
				&(struct shep_reply){ .bytes = said->body, .len = said->len });
}

void shep_ask_mpi_record(uint64_t id, uint64_t job, void *arg)
{
	struct shep_ask *a = ask(arg, DVMI_RANK_LINK, QUICK_MS, id);
	Pb__JobRef ref = PB__JOB_REF__INIT;

	ref.job = job;
	if (a)
		shep_ask_call(arg, a, DVMI_MSG_JOB_RECORD, &ref, true, on_record);
}
