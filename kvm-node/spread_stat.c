/* SPDX-License-Identifier: BSD-3-Clause */
/* What there is to tell of a host's share of a guest. */
#include <inttypes.h>

#include "kvm-node/layout.h"
#include "kvm-node/spread_private.h"

#define HOT_MAX 24

static void put(struct dvmi_buf *out, const char *name, uint64_t n)
{
	dvmi_buf_printf(out, ",\"%s\":%" PRIu64, name, n);
}

static void put_messages(struct vmm_spread *s, struct dvmi_buf *out)
{
	const struct {
		const char *name;
		_Atomic uint64_t *n;
	} all[] = {
		{ "interrupts_sent", &s->n.intr_out }, { "interrupts_got", &s->n.intr_in },
		{ "eois_sent", &s->n.eois_out },       { "accesses_sent", &s->n.accesses_out },
		{ "accesses_got", &s->n.accesses_in }, { "accesses_posted", &s->n.posted },
		{ "access_ns", &s->n.access_ns },
		{ "access_max_ns", &s->n.access_max_ns }, { "rows", &s->n.rows },
		{ "bad_messages", &s->n.bad }, { "freed", &s->n.freed },
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		put(out, all[i].name, atomic_load(all[i].n));
}

static void put_pages(const struct dsm_seg_stats *p, struct dvmi_buf *out)
{
	put(out, "read_faults", p->read_faults);
	put(out, "write_faults", p->write_faults);
	put(out, "local_faults", p->local_faults);
	put(out, "fault_ns", p->fault_ns);
	put(out, "fault_max_ns", p->fault_ns_max);
	put(out, "page_messages", p->messages);
	put(out, "page_bytes", p->message_bytes);
	put(out, "pages_sent", p->units_sent);
	put(out, "pages_got", p->units_got);
	put(out, "elided", p->elided_zero + p->elided_same);
	put(out, "diffs", p->diffs);
	put(out, "prefetched", p->prefetched);
	put(out, "prefetch_used", p->prefetch_used);
	put(out, "held", p->held);
	put(out, "evicted", p->evicted);
	put(out, "pages_here", p->resident);
	put(out, "pages_writable", p->writable);
}

/* Classes that are not empty: how long at most, how many. */
static void put_times(struct vmm_spread *s, struct dvmi_buf *out)
{
	struct dvmi_hist h;
	const char *comma = "";

	dsm_seg_fault_times(s->seg, &h);
	put(out, "fault_p50_ns", dvmi_hist_quantile(&h, 500));
	put(out, "fault_p99_ns", dvmi_hist_quantile(&h, 990));
	dvmi_buf_printf(out, ",\"fault_times\":[");
	for (unsigned i = 0; i < DVMI_HIST_CLASSES; i++)
		if (h.n[i]) {
			dvmi_buf_printf(out, "%s[%" PRIu64 ",%" PRIu64 "]", comma,
					dvmi_hist_top(i), h.n[i]);
			comma = ",";
		}
	dvmi_buf_printf(out, "]");
}

/* Pages of page tables that several hosts write. */
static void put_walked(struct vmm_spread *s, struct dvmi_buf *out)
{
	struct dsm_walk_stats w;

	dsm_seg_walk_stats(s->seg, &w);
	put(out, "walked_pages", w.now);
	put(out, "walked_begun", w.entered);
	put(out, "walked_ended", w.left);
	put(out, "walked_diffs", w.diffs);
	put(out, "walked_conflicts", w.conflicts);
	put(out, "walked_later", w.later);
	put(out, "told", w.flushes);
	put(out, "told_late", w.waits);
}

void vmm_spread_sampled(struct vmm_spread *s, uint64_t address, uint64_t at)
{
	pthread_mutex_lock(&s->spots_lock);
	vmm_hotspots_add(&s->spots, address, at);
	pthread_mutex_unlock(&s->spots_lock);
}

static void put_page(struct vmm_spread *s, const struct dsm_seg_hot *h, struct dvmi_buf *out)
{
	uint64_t address = spread_address(h->page), at;

	dvmi_buf_printf(out, "{\"address\":%" PRIu64 ",\"moves\":%u,\"by\":\"%s\"", address,
			h->moves, h->by < s->hosts ? s->names[h->by] : "?");
	pthread_mutex_lock(&s->spots_lock);
	bool seen = vmm_hotspots_find(&s->spots, address, &at);
	pthread_mutex_unlock(&s->spots_lock);
	if (seen)
		dvmi_buf_printf(out, ",\"rip\":\"%#" PRIx64 "\"", at);
	dvmi_buf_printf(out, "}");
}

static void put_hot(struct vmm_spread *s, struct dvmi_buf *out)
{
	struct dsm_seg_hot hot[HOT_MAX];
	int n = dsm_seg_hot(s->seg, hot, HOT_MAX);

	dvmi_buf_printf(out, ",\"hot\":[");
	for (int i = 0; i < n; i++) {
		dvmi_buf_printf(out, "%s", i ? "," : "");
		put_page(s, &hot[i], out);
	}
	dvmi_buf_printf(out, "]");
}

/* Of the slowest fault: letters, digits and little else, so nothing has to be escaped. */
static void put_slowest(struct vmm_spread *s, struct dvmi_buf *out)
{
	struct dsm_seg_slowest slow;

	dsm_seg_slowest(s->seg, &slow);
	dvmi_buf_printf(out, ",\"slowest\":{\"address\":%" PRIu64 ",\"ns\":%" PRIu64
			",\"path\":\"%s\"}",
			spread_address(slow.page), slow.ns, slow.words);
}

void vmm_spread_counts(struct vmm_spread *s, struct dvmi_buf *out)
{
	struct dsm_seg_stats pages;

	dvmi_buf_printf(out, "\"host\":\"%s\"", s->names[s->self]);
	put_messages(s, out);
	pthread_mutex_lock(&s->seg_lock);
	if (s->seg) {
		dsm_seg_stats(s->seg, &pages);
		put_pages(&pages, out);
		put_times(s, out);
		put_walked(s, out);
		put_hot(s, out);
		put_slowest(s, out);
	}
	pthread_mutex_unlock(&s->seg_lock);
}
