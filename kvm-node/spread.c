/* SPDX-License-Identifier: BSD-3-Clause */
/* Monitors find each other, and share RAM. */
#include "kvm-node/spread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dvm/coll.h"
#include "kvm-node/layout.h"
#include "kvm-node/spread_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define SALT UINT64_C(0x6775657374) /* no other domain of the job has it */
#define BOOT_ID 40u
#define TRIPS 16u
#define ROOM_MIN (UINT64_C(32) << 20) /* bytes; with less a kernel only waits for its pages */
#define SPIN (20 * DVMI_USEC)
#define HOLD (100 * DVMI_USEC)
#define HOLD_MAX (5 * DVMI_MSEC) /* where a page takes long to come */

/* ---- ranks ---- */

static int join_job(struct vmm_spread *s, unsigned hosts, dvm_error_t *err)
{
	dvm_config_t c = { .size = sizeof c, .flags = DVM_OPEN_THREADS };
	int rc = dvm_open(&s->d, &c, err);

	if (rc < 0)
		return rc;
	s->self = (unsigned)dvm_rank(s->d);
	s->hosts = (unsigned)dvm_size(s->d);
	if (s->hosts != hosts)
		return dvmi_error_set(err, -EINVAL,
				      "a guest on %u hosts is a job of %u ranks (`dvm guest start "
				      "--hosts %u`), and this is one of %u",
				      hosts, hosts, hosts, s->hosts);
	return 0;
}

int vmm_spread_share(struct vmm_spread *s, const void *mine, void *all, size_t each,
		     dvm_error_t *err)
{
	int rc = dvm_allgather(dvm_world(s->d), mine, each, all);

	return rc < 0 ? dvmi_error_code(err, rc, "the guest's other hosts") : 0;
}

/* Who goes then is not lost: nobody does before all know. */
static void give_up(struct vmm_spread *s)
{
	bool here = true, all[VMM_HOSTS_MAX];

	vmm_spread_end(s);
	(void)vmm_spread_share(s, &here, all, sizeof here, NULL);
}

int vmm_spread_agree(struct vmm_spread *s, int rc, dvm_error_t *err)
{
	int all[VMM_HOSTS_MAX] = { 0 };
	int said = vmm_spread_share(s, &rc, all, sizeof rc, rc < 0 ? NULL : err);
	unsigned who = 0;

	if (said < 0)
		return rc < 0 ? rc : said;
	while (who < s->hosts && all[who] >= 0)
		who++;
	if (who == s->hosts)
		return 0;
	give_up(s);
	return rc < 0 ? rc :
			dvmi_error_set(err, -ECANCELED, "host %s cannot: see what it says",
				       s->names[who]);
}

static int learn_names(struct vmm_spread *s, dvm_error_t *err)
{
	char mine[VMM_HOST_NAME] = { 0 };

	snprintf(mine, sizeof mine, "%s", dvm_node_name(s->d));
	int rc = vmm_spread_share(s, mine, s->names, sizeof mine, err);
	for (unsigned i = 0; i < s->hosts; i++)
		s->names[i][VMM_HOST_NAME - 1] = '\0';
	return rc;
}

static void read_boot_id(char id[BOOT_ID])
{
	cleanup_fd int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, id, BOOT_ID - 1);

	id[n > 0 ? n : 0] = '\0';
}

static int learn_kernels(struct vmm_spread *s, dvm_error_t *err)
{
	char mine[BOOT_ID] = { 0 }, all[VMM_HOSTS_MAX][BOOT_ID];

	read_boot_id(mine);
	int rc = vmm_spread_share(s, mine, all, sizeof mine, err);
	for (unsigned i = 0; rc == 0 && i < s->hosts; i++)
		s->together |= i != s->self && mine[0] && memcmp(all[i], mine, sizeof mine) == 0;
	return rc;
}

/* How long all hosts take to hear from all, at best. */
static int learn_trip(struct vmm_spread *s, dvm_error_t *err)
{
	uint64_t all[VMM_HOSTS_MAX], best = UINT64_MAX;
	int rc = 0;

	for (unsigned i = 0; i < TRIPS && rc == 0; i++) {
		uint64_t began = dvmi_clock_mono();
		rc = vmm_spread_share(s, &began, all, sizeof began, err);
		uint64_t took = dvmi_clock_mono() - began;
		best = took < best ? took : best;
	}
	s->trip = best;
	return rc;
}

uint64_t vmm_spread_trip(const struct vmm_spread *s)
{
	return s->trip;
}

/* A guest does not outlive a host, nor the link to it: nothing has to be agreed on, it ends. */
static bool host_died(void *arg, uint32_t host, bool lives)
{
	struct vmm_spread *s = arg;
	char why[VMM_HOST_NAME + 60];

	if (atomic_load(&s->ending) || atomic_load(&s->lost) >= 0)
		return false;
	atomic_store(&s->lost, (int)host);
	snprintf(why, sizeof why, "%s %s is lost, and the guest with it",
		 lives ? "the connection to host" : "host", s->names[host]);
	spread_release(s);
	if (s->on_loss)
		s->on_loss(s->on_loss_arg, why);
	return false;
}

/* The other hosts go on without this one, or it had no memory for what they wait for. */
static void cut_off(void *arg)
{
	struct vmm_spread *s = arg;

	if (atomic_load(&s->ending) || atomic_load(&s->lost) >= 0)
		return;
	atomic_store(&s->lost, (int)s->self);
	spread_release(s);
	if (s->on_loss)
		s->on_loss(s->on_loss_arg,
			   "this host has given up the guest's memory, which it says why, and the guest with it");
}

static int meet(struct vmm_spread *s, dvm_error_t *err)
{
	int rc = dvmi_domain_create(&s->domain, dvm_world(s->d),
				    &(struct dvmi_domain_config){ .salt = SALT,
								  .spin = SPIN,
								  .urgent = true,
								  .log = s->log,
								  .dead = host_died,
								  .out = cut_off,
								  .arg = s });
	if (rc == 0) {
		s->node = dvmi_domain_node(s->domain);
		rc = spread_hear_start(s);
	}
	if (rc < 0)
		dvmi_error_code(err, rc, "links between the guest's hosts");
	return vmm_spread_agree(s, rc, err);
}

int vmm_spread_open(struct vmm_spread **out, unsigned hosts, struct dvmi_log *log, dvm_error_t *err)
{
	struct vmm_spread *s = calloc(1, sizeof *s);

	if (!s)
		return dvmi_error_code(err, -ENOMEM, "the guest's hosts");
	s->log = log;
	atomic_store(&s->lost, -1);
	s->ask_time_at = s->look_at = UINT64_MAX;
	pthread_mutex_init(&s->seg_lock, NULL);
	pthread_mutex_init(&s->spots_lock, NULL);
	pthread_mutex_init(&s->roots_lock, NULL);
	int rc = join_job(s, hosts, err);
	if (rc == 0)
		rc = learn_names(s, err);
	if (rc == 0)
		rc = learn_kernels(s, err);
	if (rc == 0)
		rc = learn_trip(s, err);
	if (rc == 0)
		rc = meet(s, err);
	if (rc < 0)
		vmm_spread_close(s);
	else
		*out = s;
	return rc;
}

void vmm_spread_on_loss(struct vmm_spread *s, void (*fn)(void *arg, const char *why), void *arg)
{
	dsm_node_enter(s->node);
	s->on_loss = fn;
	s->on_loss_arg = arg;
	dsm_node_leave(s->node);
}

/* Who comes last finds nobody to talk to, and that is right. */
void vmm_spread_close(struct vmm_spread *s)
{
	if (!s)
		return;
	vmm_spread_end(s);
	spread_hear_stop(s);
	vmm_spread_unmap(s);
	dvmi_domain_destroy(s->domain);
	if (s->d)
		dvm_close(s->d);
	pthread_mutex_destroy(&s->roots_lock);
	pthread_mutex_destroy(&s->spots_lock);
	pthread_mutex_destroy(&s->seg_lock);
	free(s);
}

unsigned vmm_spread_self(const struct vmm_spread *s)
{
	return s->self;
}

unsigned vmm_spread_hosts(const struct vmm_spread *s)
{
	return s->hosts;
}

bool vmm_spread_together(const struct vmm_spread *s)
{
	return s->together;
}

const char *vmm_spread_name(const struct vmm_spread *s, unsigned host)
{
	return s->names[host];
}

void vmm_spread_end(struct vmm_spread *s)
{
	atomic_store(&s->ending, true);
}

/* ---- RAM ---- */

static uint32_t home_of(void *arg, uint64_t page)
{
	const struct vmm_spread *s = arg;
	unsigned host = 0;

	while (host + 1 < s->hosts && page >= s->home_end[host])
		host++;
	return host;
}

static uint64_t page_of(void *arg, uint64_t frame)
{
	(void)arg;
	return spread_page(frame);
}

void vmm_spread_walks(struct vmm_spread *s, const struct dsm_root *root)
{
	pthread_mutex_lock(&s->roots_lock);
	vmm_roots_saw(&s->roots, root, dvmi_clock_mono());
	pthread_mutex_unlock(&s->roots_lock);
}

static unsigned roots_of(void *arg, struct dsm_root *roots)
{
	struct vmm_spread *s = arg;

	pthread_mutex_lock(&s->roots_lock);
	unsigned n = vmm_roots_lately(&s->roots, dvmi_clock_mono(), roots);
	pthread_mutex_unlock(&s->roots_lock);
	return n;
}

/* Locked. */
static void on_wait(void *arg, uint64_t page, int thread)
{
	struct vmm_spread *s = arg;

	if (s->attached)
		s->ops.waits(s->ops.arg, spread_address(page), thread);
}

static void on_came(void *arg, uint64_t page)
{
	struct vmm_spread *s = arg;

	if (s->attached)
		s->ops.came(s->ops.arg, spread_address(page));
}

static uint32_t flags_of(unsigned pages)
{
	static const struct {
		unsigned pages;
		uint32_t off, on;
	} rows[] = {
		{ VMM_PAGES_NO_PREFETCH, 0, DSM_NO_PREFETCH },
		{ VMM_PAGES_NO_ELISION, 0, DSM_NO_ELISION },
		{ VMM_PAGES_NO_BATCH, 0, DSM_NO_BATCH },
		{ VMM_PAGES_NO_HOLD, 0, DSM_NO_HOLD },
		{ VMM_PAGES_NO_DIFF, 0, DSM_NO_DIFF },
		{ VMM_PAGES_NO_WALKED, DSM_WALKED, 0 },
		{ VMM_PAGES_SERIAL, 0, DSM_SERIAL | DSM_READ_OWNS },
	};
	uint32_t flags = DSM_WALKED;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (pages & rows[i].pages)
			flags = (flags & ~rows[i].off) | rows[i].on;
	return flags;
}

/* A guest that leaves most of its memory alone is well with it. */
static void warn_of_little(const struct vmm_spread *s, uint64_t home, uint64_t have)
{
	dvmi_log(s->log, "spread", LOG_WARNING,
		 "host %s has %llu MiB free and is to hold %llu MiB of the guest's memory: a guest that "
		 "fills it is killed",
		 s->names[s->self], (unsigned long long)have >> 20, (unsigned long long)home >> 20);
}

/*
 * A guest may have more memory than any of its hosts; one program of it that fills it all has all pages
 * pass through one. Found out once, since after a reset nothing can be read any more.
 */
static void find_room(struct vmm_spread *s)
{
	uint64_t pages = s->home_end[s->self] - (s->self ? s->home_end[s->self - 1] : 0);
	uint64_t home = pages * VMM_PAGE;

	if (s->room)
		return;
	uint64_t have = dvmi_mem_free();
	if (have < home + ROOM_MIN)
		warn_of_little(s, home, have);
	s->room = dvmi_seg_share(dvm_world(s->d), home);
	if (s->room && s->room < ROOM_MIN && !getenv("DVM_SHM_MEMORY"))
		s->room = ROOM_MIN;
}

static int create_segment(struct vmm_spread *s)
{
	const struct dsm_seg_config c = {
		.id = s->seg_id,
		.bytes = s->bytes,
		.unit = VMM_PAGE,
		.flags = s->flags,
		.memory = s->room,
		.hold = HOLD,
		.hold_max = s->flags & DSM_NO_HOLD ? 0 : HOLD_MAX,
		.home = home_of,
		.page_of = page_of,
		.roots = roots_of,
		.home_arg = s,
		.hooks = { .wait = on_wait, .came = on_came, .arg = s },
	};
	int rc = dsm_seg_create(s->node, &s->seg, &c);

	if (rc == -EPERM && dvmi_domain_ask(s->domain) == 0)
		rc = dsm_seg_create(s->node, &s->seg, &c);
	return rc;
}

int vmm_spread_map(struct vmm_spread *s, const uint64_t *home, uint64_t size, unsigned pages,
		   void **base, dvm_error_t *err)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < s->hosts; i++)
		s->home_end[i] = end += home[i] / VMM_PAGE;
	s->bytes = size;
	s->flags = flags_of(pages);
	find_room(s);
	pthread_mutex_lock(&s->seg_lock);
	int rc = create_segment(s);
	pthread_mutex_unlock(&s->seg_lock);
	if (rc < 0)
		return dvmi_error_code(err, rc, "the guest's memory, shared with other hosts");
	*base = dsm_seg_base(s->seg);
	return 0;
}

/* What is still under way for this one finds another number when there is a next. */
void vmm_spread_unmap(struct vmm_spread *s)
{
	pthread_mutex_lock(&s->seg_lock);
	if (s->seg)
		s->seg_id = (s->seg_id + 1) % DSM_SEGS;
	dsm_seg_destroy(s->seg);
	s->seg = NULL;
	pthread_mutex_unlock(&s->seg_lock);
}

void vmm_spread_touch(void *spread, uint64_t offset, uint64_t len, bool write)
{
	struct vmm_spread *s = spread;
	uint64_t first = offset / VMM_PAGE, end = (offset + len + VMM_PAGE - 1) / VMM_PAGE;

	if (end - first > 1)
		dsm_seg_prefetch(s->seg, first, end - first, write);
}
