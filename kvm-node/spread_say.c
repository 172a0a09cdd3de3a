/* SPDX-License-Identifier: BSD-3-Clause */
/* What a host says to the others, and waiting for what they answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "kvm-node/spread_private.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define PATIENCE   (5 * DVMI_SEC) /* then it is said whom we wait for */
#define STAT_WAIT  (1 * DVMI_SEC)
#define FIRST_ASKS 64u
#define POSTED_MAX 64u /* writes until one waits, so that they do not pile up */

static uint64_t others(const struct vmm_spread *s)
{
	uint64_t all = s->hosts == 64 ? UINT64_MAX : (UINT64_C(1) << s->hosts) - 1;

	return all & ~(UINT64_C(1) << s->self);
}

int spread_post(struct vmm_spread *s, unsigned host, const struct vmm_msg *n, const void *text,
		size_t len)
{
	uint8_t room[sizeof *n + VMM_MSG_TEXT_MAX];

	len = len < VMM_MSG_TEXT_MAX ? len : VMM_MSG_TEXT_MAX;
	memcpy(room, n, sizeof *n);
	if (len)
		memcpy(room + sizeof *n, text, len);
	return dsm_node_post(s->node, host, SPREAD_SERVICE, room, sizeof *n + len);
}

/* Who has a part of it must not take that for all: of an answer, the value says so. */
static void cut_off(struct vmm_spread *s, unsigned host, const struct vmm_msg *n)
{
	struct vmm_msg last = *n;

	last.vector = 0;
	if (n->kind == VMM_MSG_ANSWER)
		last.value = (uint64_t)-ENOMEM;
	dsm_node_enter(s->node);
	(void)spread_post(s, host, &last, NULL, 0);
	dsm_node_leave(s->node);
}

void spread_post_long(struct vmm_spread *s, unsigned host, const struct vmm_msg *n, const void *bytes,
		      size_t len)
{
	struct vmm_msg part = *n;
	const uint8_t *p = bytes;
	int rc;

	do {
		size_t some = len < VMM_MSG_TEXT_MAX ? len : VMM_MSG_TEXT_MAX;
		part.vector = some < len;
		dsm_node_enter(s->node);
		rc = spread_post(s, host, &part, p, some);
		dsm_node_leave(s->node);
		p += some;
		len -= some;
	} while (len && rc != -ENOMEM);
	if (rc != -ENOMEM)
		return;
	dvmi_log(s->log, "spread", LOG_ERR, "no memory for what goes to %s", s->names[host]);
	if (bytes)
		cut_off(s, host, n);
}

/* One that nobody answers. */
static void say_locked(struct vmm_spread *s, unsigned host, const struct vmm_msg *n,
		       const char *text)
{
	if (spread_post(s, host, n, text, text ? strlen(text) : 0) == -ENOMEM)
		dvmi_log(s->log, "spread", LOG_ERR, "no memory for a message to %s",
			 s->names[host]);
}

static void say(struct vmm_spread *s, unsigned host, const struct vmm_msg *n, const char *text)
{
	dsm_node_enter(s->node);
	say_locked(s, host, n, text);
	dsm_node_leave(s->node);
}

void vmm_spread_interrupt(struct vmm_spread *s, unsigned host, unsigned cpu,
			  const struct vmm_intr *msg)
{
	dsm_node_enter(s->node);
	vmm_spread_pass(s, host, cpu, msg);
	dsm_node_leave(s->node);
}

void vmm_spread_pass(struct vmm_spread *s, unsigned host, unsigned cpu, const struct vmm_intr *msg)
{
	const struct vmm_msg n = vmm_msg_intr(cpu, msg);

	spread_count(&s->n.intr_out);
	say_locked(s, host, &n, NULL);
}

int vmm_spread_give_cpu(struct vmm_spread *s, unsigned host, unsigned cpu, const void *state,
			size_t len, void (*last)(void *arg), void *arg)
{
	const struct vmm_msg n = { .kind = VMM_MSG_CPU, .cpu = cpu };

	dsm_node_enter(s->node);
	last(arg);
	int rc = spread_post(s, host, &n, state, len);
	dsm_node_leave(s->node);
	return rc;
}

void vmm_spread_load(struct vmm_spread *s, const struct vmm_load *load)
{
	const struct vmm_msg n = { .kind = VMM_MSG_LOAD, .addr = load->busy, .value = load->waited };

	say(s, 0, &n, NULL);
}

void vmm_spread_eoi(struct vmm_spread *s, uint8_t vector)
{
	spread_count(&s->n.eois_out);
	say(s, 0, &(struct vmm_msg){ .kind = VMM_MSG_EOI, .vector = vector }, NULL);
}

void vmm_spread_ended(struct vmm_spread *s, enum vmm_end end, unsigned code, const char *why)
{
	const struct vmm_msg n = { .kind = VMM_MSG_END, .op = (uint8_t)end, .code = code };

	say(s, 0, &n, why);
}

void vmm_spread_ask(struct vmm_spread *s, enum vmm_ask what)
{
	say(s, 0, &(struct vmm_msg){ .kind = VMM_MSG_ASK, .op = (uint8_t)what }, NULL);
}

void vmm_spread_done(struct vmm_spread *s, uint32_t id, int rc)
{
	const struct vmm_msg n = { .kind = VMM_MSG_ANSWER, .id = id, .value = (uint64_t)(int64_t)rc };

	say(s, 0, &n, NULL);
}

/* ---- with answers ---- */

/* Locked: sends N to the hosts in W->from, as a question. Less than 0: that could not be. */
static int pose(struct vmm_spread *s, struct spread_wait *w, struct vmm_msg *n)
{
	s->ids = s->ids == UINT32_MAX ? 1 : s->ids + 1;
	w->id = n->id = s->ids;
	atomic_store(&w->done, s->lost >= 0 ? SPREAD_LOST : w->from ? 0 : SPREAD_DONE);
	if (w->done)
		return 0;
	DL_APPEND(s->waits, w);
	for (unsigned i = 0; i < s->hosts; i++) {
		int rc = w->from >> i & 1 ? spread_post(s, i, n, NULL, 0) : 0;
		if (rc < 0) {
			DL_DELETE(s->waits, w);
			atomic_store(&w->done, SPREAD_LOST);
			return rc;
		}
	}
	return 0;
}

/* Hosts that have not answered yet, a bit each. Who is silent anyway has been named already. */
static uint64_t name_late(struct vmm_spread *s, const struct spread_wait *w)
{
	dsm_node_enter(s->node);
	uint64_t late = w->from & ~s->silence.told;
	dsm_node_leave(s->node);
	for (unsigned i = 0; i < s->hosts; i++)
		if (late >> i & 1)
			dvmi_log(s->log, "spread", LOG_WARNING,
				 "the guest waits for host %s, which does not answer", s->names[i]);
	return late;
}

int spread_question(struct vmm_spread *s, struct spread_wait *w, struct vmm_msg *n)
{
	uint64_t late = 0;

	dsm_node_enter(s->node);
	int rc = pose(s, w, n);
	dsm_node_leave(s->node);
	if (rc == -ENOMEM)
		return rc; /* nobody is lost */
	while (dsm_node_wait(s->node, &w->done, dvmi_clock_mono() + PATIENCE) == -ETIMEDOUT)
		late = late ? late : name_late(s, w);
	if (late)
		dvmi_log(s->log, "spread", LOG_WARNING, "the guest goes on");
	/* Who has said so still has the lock: this stack is not ours before he has left. */
	dsm_node_enter(s->node);
	dsm_node_leave(s->node);
	return w->done == SPREAD_LOST ? -DVM_EPEERLOST : 0;
}

/* False: it is longer than any that makes sense, and what there was of it is gone. */
static bool add_text(struct vmm_spread *s, struct dvmi_buf *b, const char *text, size_t len)
{
	if (len <= SPREAD_TEXT_MAX - b->len) {
		dvmi_buf_put(b, text, len);
		return true;
	}
	spread_count(&s->n.bad);
	dvmi_buf_free(b);
	return false;
}

void spread_answered(struct vmm_spread *s, unsigned from, const struct vmm_msg *n,
		     const char *text, size_t len)
{
	struct spread_wait *w;

	DL_SEARCH_SCALAR(s->waits, w, id, n->id);
	if (!w || !(w->from >> from & 1)) {
		spread_count(&s->n.bad);
		return;
	}
	if (w->texts && add_text(s, &w->texts[from], text, len) && n->vector)
		return; /* there is more to come */
	w->value = n->value;
	if (w->texts && (int64_t)n->value < 0)
		dvmi_buf_free(&w->texts[from]); /* a part of it is of no use */
	if ((int64_t)n->value < 0 && w->rc == 0) {
		w->rc = (int)(int64_t)n->value;
		w->failed = from;
	}
	w->from &= ~(UINT64_C(1) << from);
	if (w->from)
		return;
	DL_DELETE(s->waits, w);
	dsm_node_done(&w->done, SPREAD_DONE);
}

void spread_release(struct vmm_spread *s)
{
	struct spread_wait *w, *next;

	DL_FOREACH_SAFE(s->waits, w, next) {
		DL_DELETE(s->waits, w);
		dsm_node_done(&w->done, SPREAD_LOST);
	}
}

int vmm_spread_row(struct vmm_spread *s, unsigned cpu, const struct vmm_apic_row *row)
{
	struct spread_wait w = { .from = others(s) };
	struct vmm_msg n = vmm_msg_row(cpu, row);

	spread_count(&s->n.rows);
	return spread_question(s, &w, &n);
}

/* What is said later, reads and pages included, comes there later. */
static bool may_post(struct vmm_spread *s, const struct vmm_access *a)
{
	return a->write && a->space == VMM_MMIO &&
	       atomic_fetch_add_explicit(&s->posted, 1, memory_order_relaxed) % POSTED_MAX;
}

void vmm_spread_access(struct vmm_spread *s, unsigned host, struct vmm_access *a)
{
	struct spread_wait w = { .from = UINT64_C(1) << host };
	struct vmm_msg n = vmm_msg_access(a);
	uint64_t began = dvmi_clock_mono();

	spread_count(&s->n.accesses_out);
	if (may_post(s, a)) {
		spread_count(&s->n.posted);
		say(s, host, &n, NULL);
		return;
	}
	if (spread_question(s, &w, &n) == 0)
		a->data = w.value;
	uint64_t ns = dvmi_clock_mono() - began;
	atomic_fetch_add_explicit(&s->n.access_ns, ns, memory_order_relaxed);
	if (ns > atomic_load(&s->n.access_max_ns))
		atomic_store(&s->n.access_max_ns, ns);
}

int vmm_spread_settle_far(struct vmm_spread *s)
{
	struct spread_wait w = { .from = others(s) };
	struct vmm_msg n = { .kind = VMM_MSG_SETTLE };
	int rc = spread_question(s, &w, &n);

	return rc < 0 || w.rc == 0 ? rc : -EIO; /* who could not keep the question has not settled */
}

void spread_free_here(struct vmm_spread *s, uint64_t first, uint64_t n)
{
	pthread_mutex_lock(&s->seg_lock);
	int64_t done = s->seg ? dsm_seg_free(s->seg, first, n) : 0;
	pthread_mutex_unlock(&s->seg_lock);
	if (done > 0)
		atomic_fetch_add(&s->n.freed, (uint64_t)done);
}

int vmm_spread_free(struct vmm_spread *s, uint64_t offset, uint64_t len)
{
	struct spread_wait w = { .from = others(s) };
	struct vmm_msg n = { .kind = VMM_MSG_FREE, .addr = offset / VMM_PAGE, .value = len / VMM_PAGE };

	spread_free_here(s, n.addr, n.value);
	return spread_question(s, &w, &n);
}

int vmm_spread_order(struct vmm_spread *s, enum vmm_order what, dvm_error_t *err)
{
	struct spread_wait w = { .from = others(s) };
	struct vmm_msg n = { .kind = VMM_MSG_ORDER, .op = (uint8_t)what };
	int rc = spread_question(s, &w, &n);

	if (rc == -ENOMEM)
		return dvmi_error_code(err, rc, "a message to the guest's other hosts");
	if (rc < 0)
		return dvmi_error_set(err, rc, "host %s is lost, and the guest with it",
				      s->lost >= 0 ? s->names[s->lost] : "?");
	if (w.rc < 0)
		return dvmi_error_set(err, w.rc, "host %s: %s", s->names[w.failed],
				      dvm_strerror(-w.rc));
	return 0;
}

void vmm_spread_stat(struct vmm_spread *s, struct dvmi_buf *out)
{
	struct spread_wait w = { .from = others(s), .texts = out };
	struct vmm_msg n = { .kind = VMM_MSG_STAT };

	dsm_node_enter(s->node);
	(void)pose(s, &w, &n);
	dsm_node_leave(s->node);
	dsm_node_wait(s->node, &w.done, dvmi_clock_mono() + STAT_WAIT);
	dsm_node_enter(s->node);
	if (!w.done)
		DL_DELETE(s->waits, &w);
	dsm_node_leave(s->node);
	for (unsigned i = 0; i < s->hosts; i++)
		if (w.from >> i & 1 || out[i].err)
			dvmi_buf_free(&out[i]); /* a part of it is of no use */
}

/* ---- time ---- */

void spread_ask_time(struct vmm_spread *s)
{
	/* Without a time while it stands: ours runs on. */
	struct vmm_msg n = { .kind = VMM_MSG_TIME,
			     .value = s->time_stands ? 0 : s->ops.time(s->ops.arg) };

	spread_post(s, 0, &n, NULL, 0);
}

void vmm_spread_let_time_stand(struct vmm_spread *s)
{
	dsm_node_enter(s->node);
	s->time_stands = true;
	dsm_node_leave(s->node);
}

/* One question after another, so that none waits behind the one before. */
int vmm_spread_set_clock(struct vmm_spread *s, int64_t *ahead)
{
	uint64_t best = UINT64_MAX;
	int rc = 0;

	/* These questions are enough meanwhile. */
	dsm_node_enter(s->node);
	s->time_stands = true;
	s->ask_time_at = UINT64_MAX;
	dsm_node_leave(s->node);
	for (unsigned i = 0; rc == 0 && i < FIRST_ASKS; i++) {
		struct spread_wait w = { .from = 1 };
		struct vmm_msg n = { .kind = VMM_MSG_TIME };
		uint64_t asked = s->ops.time(s->ops.arg);
		rc = spread_question(s, &w, &n);
		uint64_t trip = s->ops.time(s->ops.arg) - asked;
		if (rc == 0 && trip < best) {
			best = trip;
			*ahead = (int64_t)(w.value - (asked + trip / 2));
		}
	}
	return rc;
}

void vmm_spread_let_time_go(struct vmm_spread *s)
{
	dsm_node_enter(s->node);
	s->drift = (struct vmm_drift){ 0 };
	s->time_stands = false;
	s->ask_time_at = dvmi_clock_mono();
	dsm_node_leave(s->node);
}
