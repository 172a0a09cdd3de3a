/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names that ranks of MPI publish and look up, and who is at the other end of a port.
 *
 * Two jobs that connect tell each other things by names that begin with the port, PORT:connect and
 * PORT:accept first, and each waits for what the other one is about to say. When that one is gone
 * it will not: waiting for it ends. Waiting for the next caller, at PORT:connect, goes on.
 *
 * Open MPI 4.1 does not take that for an answer where the two agree on a number for what connects
 * them, but asks for ever: such a rank is ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/mpi_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/proto/msgtype.h"

#define GONE "the job at the other end of its port is over"

/* Who was heard last at a port. */
struct shep_mpi_peer {
	struct shep_mpi_peer *next;
	uint64_t job; /* 0: it is over */
	char port[];
};

/* ---- the other end of a port ---- */

/* What is before WORD at the end of SERVICE: its length; 0 if it ends otherwise. */
static size_t before(const char *service, const char *word)
{
	size_t n = strlen(service), w = strlen(word);

	return n > w && !strcmp(service + n - w, word) ? n - w : 0;
}

static bool is_at(const struct shep_mpi_peer *p, const char *service)
{
	size_t n = strlen(p->port);

	return !strncmp(service, p->port, n) && service[n] == ':';
}

void shep_mpi_name_found(struct shep_mpi *m, const char *service, const struct shep_mpi_said *said)
{
	size_t n = before(service, ":connect");
	struct shep_mpi_peer *p;

	if (!n)
		n = before(service, ":accept");
	if (!n || said->code != 0)
		return;
	for (p = m->peers; p && !is_at(p, service); p = p->next)
		;
	if (!p && (p = calloc(1, sizeof *p + n + 1))) {
		memcpy(p->port, service, n);
		p->next = m->peers;
		m->peers = p;
	}
	if (p)
		p->job = said->job;
}

/* Whoever could say what SERVICE is waited for is gone. */
static bool is_hopeless(const struct shep_mpi *m, const char *service)
{
	for (const struct shep_mpi_peer *p = m->peers; p; p = p->next)
		if (!p->job && is_at(p, service) && !before(service, ":connect"))
			return true;
	return false;
}

/* ---- waiting for nobody ---- */

/* RANK waits for SERVICE. */
static void end_those_who_insist(struct shep_mpi *m, uint32_t rank, const char *service)
{
	const Pb__NodeShare *share = shep_mpi_share(m);

	for (uint32_t i = 0; strstr(service, ":nextcid:") && i < m->n; i++)
		if (share->ranks[i] == rank)
			m->c.abort(i, 1, GONE, m->c.arg);
}

static struct shep_mpi_asked *hopeless(struct shep_mpi *m)
{
	struct shep_mpi_asked *q = m->asked;

	while (q && !(q->lookup && is_hopeless(m, q->lookup)))
		q = q->next;
	return q;
}

static void give_up(struct shep_mpi *m)
{
	struct shep_mpi_asked *q;

	while ((q = hopeless(m))) {
		end_those_who_insist(m, q->rank, q->lookup);
		shep_mpi_heard(m, q->id, &(struct shep_mpi_said){ .code = -ENOENT, .text = GONE });
	}
}

void shep_mpi_names_lost(struct shep_mpi *m, uint64_t job)
{
	for (struct shep_mpi_peer *p = m->peers; p; p = p->next)
		if (p->job == job)
			p->job = 0;
	give_up(m);
}

/* ---- asking ---- */

static uint16_t type_of(Pb__PmixName__Kind kind)
{
	return kind == PB__PMIX_NAME__KIND__PUBLISH  ? DVMI_MSG_NAME_PUT :
	       kind == PB__PMIX_NAME__KIND__LOOKUP ? DVMI_MSG_NAME_GET :
						     DVMI_MSG_NAME_DROP;
}

/* A question like LIKE, that knows which name it waits for. 0: no memory. */
static uint64_t add(struct shep_mpi *m, const Pb__PmixName *msg, const char *service,
		    const struct shep_mpi_asked *like)
{
	struct shep_mpi_asked q = *like;

	q.rank = msg->rank;
	if (msg->kind == PB__PMIX_NAME__KIND__LOOKUP && !(q.lookup = strdup(service)))
		return 0;
	uint64_t id = shep_mpi_asked_add(m, &q);
	if (!id)
		free(q.lookup);
	return id;
}

void shep_mpi_name(struct shep_mpi *m, const Pb__PmixName *msg, const char *prefix,
		   const struct shep_mpi_asked *like)
{
	Pb__NameRequest req = PB__NAME_REQUEST__INIT;
	dvm_error_t err = { .code = -ENOMEM, .text = "out of memory" };
	cleanup_free char *service = NULL;
	uint64_t id = 0;

	if (asprintf(&service, "%s%s", prefix, msg->service) < 0)
		service = NULL;
	if (service)
		id = add(m, msg, service, like);
	if (!id) {
		shep_mpi_refuse(m, like, &err);
		return;
	}
	req.service = service;
	req.rank = msg->rank;
	req.value = msg->value;
	req.once = msg->once;
	m->c.name(id, type_of(msg->kind), &req, msg->wait_ms, m->c.arg);
	give_up(m);
}

void shep_mpi_names_free(struct shep_mpi *m)
{
	for (struct shep_mpi_peer *p = m->peers, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	m->peers = NULL;
}
