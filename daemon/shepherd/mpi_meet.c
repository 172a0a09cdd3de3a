/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fences among ranks of several jobs, which Open MPI makes before it lets go of another job.
 *
 * Each job gathers its own part by an exchange among its nodes (exchange.h). The lowest of them
 * speaks for the job: it gives the part to those who speak for the other jobs, and gets theirs. Then
 * what all have said is spread by a second exchange. What goes between jobs is repeated until the
 * other's part has come; who is asked for a part that is complete answers with it, also when the
 * fence is over here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/mpi_private.h"
#include "dvm/error.h"
#include "libdvm/base/cleanup.h"

#define ALL_RANKS UINT32_C(0xfffffffe) /* as libpmix numbers them */

static uint64_t own_job(const struct shep_mpi *m)
{
	return m->c.launch->job;
}

/* ---- the key: the same for all, in whatever order they name the ranks ---- */

struct member {
	uint64_t job;
	uint32_t rank;
};

static int by_member(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->job != y->job)
		return x->job < y->job ? -1 : 1;
	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static uint64_t hash(uint64_t h, uint64_t v)
{
	return (h ^ v) * UINT64_C(0x100000001b3); /* FNV-1a */
}

static uint64_t key_of(const struct member *list, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = hash(hash(h, list[i].job), list[i].rank);
	return (h & ~SHEP_MPI_KEY_PHASE) | SHEP_MPI_KEY_SOME;
}

static struct member *sorted(const Pb__PmixFence *f)
{
	struct member *list = calloc(f->n_jobs + 1, sizeof *list);

	for (size_t i = 0; list && i < f->n_jobs; i++)
		list[i] = (struct member){ f->jobs[i], f->ranks[i] };
	if (list)
		qsort(list, f->n_jobs, sizeof *list, by_member);
	return list;
}

/* ---- who speaks for a job ---- */

/* The lowest node index of P that hosts one of the N MEMBERS; all of one job. */
static int64_t speaker(const Pb__Placement *p, const struct member *members, size_t n)
{
	int64_t lowest = -1;

	for (size_t i = 0; i < n; i++) {
		int64_t at = members[i].rank == ALL_RANKS ? 0 :
							    shep_mpi_place_of(p, members[i].rank);
		if (at >= 0 && (lowest < 0 || at < lowest))
			lowest = at;
	}
	return lowest;
}

static int add_party(struct shep_mpi *m, struct shep_mpi_meet *t, const struct member *list,
		     size_t n)
{
	const Pb__JobRecord *r = shep_mpi_other(m, list->job);
	int64_t at = r ? speaker(r->placement, list, n) : -1;

	if (at < 0)
		return -ENOENT; /* nobody has connected to it */
	t->parties[t->n_parties++] =
		(struct shep_mpi_party){ .job = list->job, .node = r->placement->nodes[at]->node };
	return 0;
}

static size_t same_job(const struct member *list, size_t n)
{
	size_t k = 1;

	while (k < n && list[k].job == list->job)
		k++;
	return k;
}

/* Everybody in it; OWN and N_OWN get our part of the list. */
static int take_members(struct shep_mpi *m, struct shep_mpi_meet *t, const struct member *list,
			size_t n, const struct member **own, size_t *n_own)
{
	t->parties = calloc(n + 1, sizeof *t->parties);
	if (!t->parties)
		return -ENOMEM;
	for (size_t i = 0, k; i < n; i += k) {
		int rc = 0;
		k = same_job(list + i, n - i);
		if (list[i].job == own_job(m)) {
			*own = list + i;
			*n_own = k;
		} else {
			rc = add_party(m, t, list + i, k);
		}
		if (rc < 0)
			return rc;
	}
	t->leads = speaker(m->c.launch->placement, *own, *n_own) == (int64_t)m->c.self;
	return 0;
}

/* ---- the end ---- */

static void meet_free(struct shep_mpi_meet *t)
{
	for (size_t i = 0; t->parties && i < t->n_parties; i++)
		dvmi_buf_free(&t->parties[i].data);
	free(t->parties);
	free(t->ranks);
	dvmi_buf_free(&t->data);
	free(t);
}

static struct shep_mpi_met *find_met(struct shep_mpi *m, uint64_t key)
{
	for (size_t i = 0; i < m->n_met; i++)
		if (m->met[i].key == key)
			return &m->met[i];
	return NULL;
}

/* A place for KEY: its own, a new one, or the oldest. */
static struct shep_mpi_met *place_met(struct shep_mpi *m, uint64_t key)
{
	struct shep_mpi_met *met = find_met(m, key);

	if (met)
		return met;
	if (m->n_met < SHEP_MPI_MET_MAX &&
	    (met = reallocarray(m->met, m->n_met + 1, sizeof *met))) {
		m->met = met;
		met[m->n_met] = (struct shep_mpi_met){ 0 };
		return &met[m->n_met++];
	}
	return m->n_met ? &m->met[m->next_met++ % m->n_met] : NULL;
}

/* Keeps our part for those who ask late. */
static void remember(struct shep_mpi *m, struct shep_mpi_meet *t)
{
	struct shep_mpi_met *met = place_met(m, t->key);

	if (!met)
		return;
	dvmi_buf_free(&met->data);
	*met = (struct shep_mpi_met){ t->key, t->parties[0].job, t->seq, t->data };
	t->data = (struct dvmi_buf){ 0 };
}

static void finish(struct shep_mpi *m, struct shep_mpi_meet *t, int code, const uint8_t *data,
		   size_t len)
{
	struct shep_mpi_meet **pp = &m->meets;

	while (*pp != t)
		pp = &(*pp)->next;
	*pp = t->next;
	shep_mpi_pmix_answer_fence(m, t->id, code, data, len);
	if (t->n_parties)
		remember(m, t);
	meet_free(t);
}

/* ---- between the jobs ---- */

static void tell(struct shep_mpi *m, uint64_t job, uint32_t node, uint64_t key, uint32_t seq,
		 bool answer, const struct dvmi_buf *data)
{
	Pb__PeerMessage msg = PB__PEER_MESSAGE__INIT;
	Pb__Exchange x = PB__EXCHANGE__INIT;

	x.key = key;
	x.seq = seq;
	x.down = answer;
	x.data = (ProtobufCBinaryData){ .len = data->len, .data = data->data };
	msg.kind = PB__PEER_MESSAGE__KIND__MEET;
	msg.exchange = &x;
	shep_mpi_send_to(m, job, node, &msg);
}

static void ask_parties(struct shep_mpi *m, struct shep_mpi_meet *t)
{
	for (size_t i = 0; i < t->n_parties; i++)
		if (!t->parties[i].got)
			tell(m, t->parties[i].job, t->parties[i].node, t->key, t->seq, false,
			     &t->data);
}

/* Enters the second exchange: with everything, or with nothing. */
static void spread(struct shep_mpi *m, struct shep_mpi_meet *t)
{
	struct dvmi_buf all = { 0 };

	if (t->leads)
		dvmi_buf_put(&all, t->data.data, t->data.len);
	for (size_t i = 0; t->leads && i < t->n_parties; i++)
		dvmi_buf_put(&all, t->parties[i].data.data, t->parties[i].data.len);
	int rc = all.err ? all.err :
			   shep_mpi_enter(m, t->key | SHEP_MPI_KEY_SPREAD, t->ranks, t->n_ranks,
					  all.data, all.len);
	dvmi_buf_free(&all);
	if (rc < 0)
		finish(m, t, rc, NULL, 0);
}

static void spread_if_complete(struct shep_mpi *m, struct shep_mpi_meet *t)
{
	for (size_t i = 0; i < t->n_parties; i++)
		if (!t->parties[i].got)
			return;
	spread(m, t);
}

static struct shep_mpi_meet *find(struct shep_mpi *m, uint64_t key)
{
	struct shep_mpi_meet *t = m->meets;

	while (t && t->key != (key & ~SHEP_MPI_KEY_PHASE))
		t = t->next;
	return t;
}

static void on_gathered(struct shep_mpi *m, struct shep_mpi_meet *t, const uint8_t *data, size_t len)
{
	t->gathered = true;
	dvmi_buf_free(&t->data);
	dvmi_buf_put(&t->data, data, len);
	if (!t->leads) {
		spread(m, t);
		return;
	}
	ask_parties(m, t);
	for (size_t i = 0; i < t->n_parties; i++)
		if (t->parties[i].got) /* who has given its part early is owed ours */
			tell(m, t->parties[i].job, t->parties[i].node, t->key, t->seq, true,
			     &t->data);
	spread_if_complete(m, t);
}

void shep_mpi_met(struct shep_mpi *m, uint64_t key, int code, const uint8_t *data, size_t len)
{
	struct shep_mpi_meet *t = find(m, key);

	if (!t)
		return;
	if (code < 0 || (key & SHEP_MPI_KEY_PHASE) == SHEP_MPI_KEY_SPREAD)
		finish(m, t, code, data, len);
	else
		on_gathered(m, t, data, len);
}

static void take_part(struct shep_mpi *m, struct shep_mpi_meet *t, const Pb__PeerMessage *msg)
{
	const Pb__Exchange *x = msg->exchange;

	for (size_t i = 0; i < t->n_parties; i++) {
		struct shep_mpi_party *p = &t->parties[i];
		if (p->job != msg->from_job || p->node != msg->from || p->got)
			continue;
		dvmi_buf_put(&p->data, x->data.data, x->data.len);
		p->got = true;
		if (t->gathered)
			spread_if_complete(m, t);
		return;
	}
}

static void answer_late(struct shep_mpi *m, const Pb__PeerMessage *msg)
{
	const Pb__Exchange *x = msg->exchange;
	const struct shep_mpi_met *met = find_met(m, x->key);

	if (met && met->seq == x->seq)
		tell(m, msg->from_job, msg->from, x->key, x->seq, true, &met->data);
}

void shep_mpi_meet_message(struct shep_mpi *m, const Pb__PeerMessage *msg)
{
	const Pb__Exchange *x = msg->exchange;
	struct shep_mpi_meet *t = x ? find(m, x->key) : NULL;

	if (!x || !msg->from_job || !(x->key & SHEP_MPI_KEY_SOME))
		return;
	if (!t || t->seq != x->seq) {
		answer_late(m, msg);
		return;
	}
	if (!t->leads)
		return;
	if (!x->down && t->gathered)
		tell(m, msg->from_job, msg->from, x->key, x->seq, true, &t->data);
	take_part(m, t, msg);
}

/* ---- beginning ---- */

/* How many fences of this key there have been: all jobs count alike. */
static uint32_t next_seq(struct shep_mpi *m, uint64_t key)
{
	const struct shep_mpi_met *met = find_met(m, key);

	return met ? met->seq + 1 : 1;
}

static int begin(struct shep_mpi *m, struct shep_mpi_meet *t, const Pb__PmixFence *f)
{
	cleanup_free struct member *list = sorted(f);
	const struct member *own = NULL;
	size_t n_own = 0;

	t->ranks = calloc(f->n_jobs + 1, sizeof *t->ranks);
	if (!list || !t->ranks)
		return -ENOMEM;
	t->key = key_of(list, f->n_jobs);
	t->seq = next_seq(m, t->key);
	if (find(m, t->key))
		return -EBUSY;
	int rc = take_members(m, t, list, f->n_jobs, &own, &n_own);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n_own; i++)
		t->ranks[i] = own[i].rank;
	t->n_ranks = n_own && own[n_own - 1].rank == ALL_RANKS ? 0 : n_own;
	t->next = m->meets;
	m->meets = t;
	rc = shep_mpi_enter(m, t->key | SHEP_MPI_KEY_GATHER, t->ranks, t->n_ranks, f->data.data,
			    f->data.len);
	if (rc < 0)
		m->meets = t->next;
	return rc;
}

void shep_mpi_meet(struct shep_mpi *m, const Pb__PmixFence *f)
{
	struct shep_mpi_meet *t = calloc(1, sizeof *t);

	if (t)
		t->id = f->id;
	int rc = !t ? -ENOMEM : f->n_ranks != f->n_jobs ? -EINVAL : begin(m, t, f);
	if (rc == 0)
		return;
	shep_mpi_pmix_answer_fence(m, f->id, rc, NULL, 0);
	if (t)
		meet_free(t);
}

bool shep_mpi_meet_ask_again(struct shep_mpi *m)
{
	for (struct shep_mpi_meet *t = m->meets; t; t = t->next)
		if (t->leads && t->gathered)
			ask_parties(m, t);
	return m->meets != NULL;
}

static void forget(struct shep_mpi *m, uint64_t job)
{
	for (size_t i = 0; i < m->n_met;) {
		struct shep_mpi_met *met = &m->met[i];
		if (met->job != job) {
			i++;
			continue;
		}
		shep_exchange_forget(m->exchange, met->key | SHEP_MPI_KEY_GATHER);
		shep_exchange_forget(m->exchange, met->key | SHEP_MPI_KEY_SPREAD);
		dvmi_buf_free(&met->data);
		*met = m->met[--m->n_met];
	}
}

void shep_mpi_meet_lost(struct shep_mpi *m, uint64_t job)
{
	struct shep_mpi_meet *t, *next;

	for (t = m->meets; t; t = next) {
		next = t->next;
		for (size_t i = 0; i < t->n_parties; i++)
			if (t->parties[i].job == job && !t->parties[i].got) {
				finish(m, t, -DVM_EPEERLOST, NULL, 0);
				break;
			}
	}
	forget(m, job);
}

void shep_mpi_meet_free(struct shep_mpi *m)
{
	struct shep_mpi_meet *t;

	while ((t = m->meets)) {
		m->meets = t->next;
		meet_free(t);
	}
	for (size_t i = 0; i < m->n_met; i++)
		dvmi_buf_free(&m->met[i].data);
	free(m->met);
	m->met = NULL;
	m->n_met = 0;
}
