/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one rank of PMIx has put, asked of the server on its node: by ours of ranks elsewhere, and
 * of ours by others. The two may belong to different jobs, which have come to know each other by
 * spawn or connect.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/shepherd/mpi_private.h"
#include "libdvm/proto/msgtype.h"

/* ---- our server asks ---- */

/* The node that RANK of JOB (0: ours) is on; false: it is not known, perhaps not yet. */
static bool node_of(struct shep_mpi *m, uint64_t job, uint32_t rank, uint32_t *id)
{
	const Pb__JobRecord *other = job ? shep_mpi_other(m, job) : NULL;
	const Pb__Placement *p = !job ? m->c.launch->placement : other ? other->placement : NULL;
	int64_t node = p ? shep_mpi_place_of(p, rank) : -1;

	if (node >= 0)
		*id = p->nodes[node]->node;
	return node >= 0;
}

static void ask_node(struct shep_mpi *m, const struct shep_mpi_question *q)
{
	Pb__PeerMessage msg = PB__PEER_MESSAGE__INIT;
	uint32_t node;

	msg.kind = PB__PEER_MESSAGE__KIND__MODEX;
	msg.rank = q->rank;
	msg.id = q->id;
	if (node_of(m, q->job, q->rank, &node))
		shep_mpi_send_to(m, q->job, node, &msg);
}

/* Our server wants to know of a rank elsewhere. */
static void on_lookup(struct shep_mpi *m, const Pb__PmixModex *msg)
{
	struct shep_mpi_question *q = calloc(1, sizeof *q);

	if (!q)
		return;
	*q = (struct shep_mpi_question){
		.next = m->lookups, .id = msg->id, .job = msg->job, .rank = msg->rank
	};
	m->lookups = q;
	ask_node(m, q);
}

static void take_answer(struct shep_mpi *m, const Pb__PeerMessage *msg)
{
	struct shep_mpi_question **pp = &m->lookups, *q;
	Pb__PmixModex answer = PB__PMIX_MODEX__INIT;
	uint32_t node;

	while ((q = *pp) && q->id != msg->id)
		pp = &q->next;
	if (!q || q->job != msg->from_job || !node_of(m, q->job, q->rank, &node) ||
	    node != msg->from)
		return;
	*pp = q->next;
	answer.id = q->id;
	answer.rank = q->rank;
	answer.answer = true;
	answer.code = msg->code;
	answer.data = msg->data;
	shep_mpi_pmix_say(m, DVMI_MSG_PMIX_MODEX, &answer);
	free(q);
}

/* ---- others ask ---- */

/* Our server answers what another shepherd has asked. */
static void on_put(struct shep_mpi *m, const Pb__PmixModex *msg)
{
	struct shep_mpi_errand **pp = &m->errands, *e;
	Pb__PeerMessage answer = PB__PEER_MESSAGE__INIT;

	while ((e = *pp) && e->id != msg->id)
		pp = &e->next;
	if (!e)
		return;
	*pp = e->next;
	answer.kind = PB__PEER_MESSAGE__KIND__MODEX_ANSWER;
	answer.rank = msg->rank;
	answer.id = e->their_id;
	answer.code = msg->code;
	answer.data = msg->data;
	shep_mpi_send_to(m, e->job, e->node, &answer);
	free(e);
}

/* Another shepherd asks of a rank of ours; a repeated question is not asked twice. */
static void run_errand(struct shep_mpi *m, const Pb__PeerMessage *msg)
{
	Pb__PmixModex ask = PB__PMIX_MODEX__INIT;
	struct shep_mpi_errand *e;

	if (shep_mpi_place_of(m->c.launch->placement, msg->rank) != (int64_t)m->c.self)
		return;
	for (e = m->errands; e; e = e->next)
		if (e->job == msg->from_job && e->node == msg->from && e->their_id == msg->id)
			return;
	e = calloc(1, sizeof *e);
	if (!e)
		return;
	*e = (struct shep_mpi_errand){ .next = m->errands,
				       .id = ++m->errand_ids,
				       .job = msg->from_job,
				       .node = msg->from,
				       .their_id = msg->id };
	m->errands = e;
	ask.id = e->id;
	ask.rank = msg->rank;
	shep_mpi_pmix_say(m, DVMI_MSG_PMIX_MODEX, &ask);
}

/* ---- both ---- */

void shep_mpi_modex(struct shep_mpi *m, const Pb__PmixModex *msg)
{
	if (msg->answer)
		on_put(m, msg);
	else
		on_lookup(m, msg);
}

void shep_mpi_modex_message(struct shep_mpi *m, const Pb__PeerMessage *msg)
{
	if (msg->kind == PB__PEER_MESSAGE__KIND__MODEX)
		run_errand(m, msg);
	else
		take_answer(m, msg);
}

bool shep_mpi_modex_ask_again(struct shep_mpi *m, uint64_t job)
{
	for (struct shep_mpi_question *q = m->lookups; q; q = q->next)
		if (!job || q->job == job)
			ask_node(m, q);
	return m->lookups != NULL;
}

void shep_mpi_modex_lost(struct shep_mpi *m, uint64_t job)
{
	struct shep_mpi_question **pp = &m->lookups, *q;
	Pb__PmixModex answer = PB__PMIX_MODEX__INIT;

	answer.answer = true;
	answer.code = -ENOENT;
	while ((q = *pp)) {
		if (q->job != job) {
			pp = &q->next;
			continue;
		}
		*pp = q->next;
		answer.id = q->id;
		answer.rank = q->rank;
		shep_mpi_pmix_say(m, DVMI_MSG_PMIX_MODEX, &answer);
		free(q);
	}
}

void shep_mpi_modex_free(struct shep_mpi *m)
{
	struct shep_mpi_question *q;
	struct shep_mpi_errand *e;

	while ((q = m->lookups)) {
		m->lookups = q->next;
		free(q);
	}
	while ((e = m->errands)) {
		m->errands = e->next;
		free(e);
	}
}
