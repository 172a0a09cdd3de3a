/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Life of a peer: its address is looked up with the first packet for it; then packets flow, not
 * more at a time than the window, since some providers would buffer without bound; both sides say
 * BYE when they leave and wait a while for the answer, so that the last packets are not
 * lost with the connection. A connection that breaks is not a verdict: whether the peer has
 * closed or died is for the shepherd to say, and only when it says nothing we do.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/net/fab_private.h"

#define EAGER_MAX  (16u * 1024)
#define LAST_WORDS (1 * DVMI_SEC) /* for packets of a peer that has closed */
#define BYE_MAX	   (1 * DVMI_SEC) /* for the answer to our BYE */

static void *load(void *arg)
{
	struct fab *f = arg;
	uint64_t one = 1;

	const struct dvmi_fab_where where = { .interface = f->cfg.interface,
					      .port_low = f->cfg.port_low,
					      .port_high = f->cfg.port_high };
	f->load_rc = dvmi_fab_ep_open(&f->ep, &where, f->provider);
	set_state(f, LOADED);
	if (write(f->loaded_fd, &one, sizeof one) < 0)
		return arg; /* nobody sleeps */
	return NULL;
}

/* Signals are for the program's own threads. */
static int start_thread(struct fab *f)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&f->loader, NULL, load, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

/*
 * Without a fabric: whom we had asked for will never be reached; later ones are told when they are
 * asked for. If others want us, they wait for an address that will not come, and maybe we for
 * them without having named them: then everything ends here, so that they hear of our end.
 */
static void give_up(struct fab *f)
{
	for (uint32_t i = 0; i < f->cfg.size; i++)
		if (i != f->cfg.self && (f->peers[i].asked || f->wanted))
			dvmi_fab_peer_down(f, i, -DVM_EPEERLOST);
}

static void fail(struct fab *f, const char *at, int rc)
{
	dvmi_log(f->cfg.log, "net", LOG_ERR, "no messages between nodes: %s: %s", at,
		 dvm_strerror(rc));
	set_state(f, FAILED);
	give_up(f);
}

void dvmi_fab_start(struct fab *f)
{
	if (state_of(f) != UNUSED)
		return;
	f->loaded_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	set_state(f, LOADING);
	int rc = f->loaded_fd < 0 ? -errno : start_thread(f);
	if (rc < 0)
		fail(f, "starting a thread", rc);
}

static int make_slots(struct fab *f)
{
	size_t each = (HDR + PACKET_MAX + 63) / 64 * 64;

	f->memory = malloc(2 * SLOTS * each);
	if (!f->memory)
		return -ENOMEM;
	for (size_t i = 0; i < 2 * SLOTS; i++) {
		struct slot *s = &f->slots[i];
		s->f = f;
		s->buf = f->memory + i * each;
		s->tx = i < SLOTS;
		if (s->tx) {
			s->next = f->free_tx;
			f->free_tx = s;
		} else {
			push(&f->repost, s);
		}
	}
	return 0;
}

/* The loader is done: from here on the endpoint is ours. */
static int take_over(struct fab *f)
{
	pthread_join(f->loader, NULL);
	int rc = f->load_rc;
	if (rc < 0) {
		fail(f, f->ep.failed, rc);
		return rc;
	}
	rc = make_slots(f);
	if (rc < 0) {
		fail(f, "buffers", rc);
		return rc;
	}
	set_state(f, READY);
	dvmi_log(f->cfg.log, "net", LOG_INFO, "provider %s", f->ep.info->fabric_attr->prov_name);
	dvmi_fab_rx_post(f);
	dvmi_fab_peer_learn(f);
	return f->cfg.publish(f->cfg.arg, f->ep.addr, f->ep.addr_len);
}

static void fab_wanted(struct dvmi_tport *t)
{
	struct fab *f = fab_of(t);

	f->wanted = true;
	if (state_of(f) == READY)
		f->cfg.publish(f->cfg.arg, f->ep.addr, f->ep.addr_len);
	else if (state_of(f) == FAILED)
		give_up(f);
	else
		dvmi_fab_start(f);
}

static bool fab_active(const struct dvmi_tport *t)
{
	enum state s = state_of((const struct fab *)t);

	return s == READY || s == LOADED;
}

static int fab_progress(struct dvmi_tport *t)
{
	struct fab *f = fab_of(t);
	int n = 0, got;

	if (state_of(f) == LOADED) {
		take_over(f);
		n++;
	}
	if (state_of(f) != READY)
		return n;
	f->blocked = false;
	for (int i = 0; i < 4 && (got = dvmi_fab_rx_read(f)) > 0; i++)
		n += got;
	if (f->held.head)
		dvmi_fab_rx_offer(f);
	if (f->repost.head)
		dvmi_fab_rx_post(f);
	if (f->nowe)
		dvmi_fab_tx_pay(f);
	if (f->nbroken)
		dvmi_fab_peer_judge(f);
	return n;
}

static int fab_drain(struct dvmi_tport *t, uint32_t peer, bool dead)
{
	struct fab *f = fab_of(t);
	struct fpeer *p = &f->peers[peer];
	uint64_t now = dvmi_clock_mono();

	if (state_of(f) != READY && state_of(f) != LOADED)
		return 0;
	while (fab_progress(t) > 0)
		;
	if (!p->drain)
		p->drain = now;
	if (dvmi_fab_rx_holds(f, peer))
		return -EAGAIN;
	if (!dead && !p->bye_got && now - p->drain < LAST_WORDS)
		return -EAGAIN;
	if (p->broken && !p->down)
		f->nbroken--;
	/* The owner says what it is; no verdict of ours is needed. */
	p->down = dead ? -DVM_EPEERLOST : -DVM_ECLOSED;
	return 0;
}

/* The descriptor that tells of events, -EAGAIN when there are some, -ENOTSUP without one. */
static int event_fd(struct fab *f)
{
	struct fid *fids[1] = { &f->ep.cq->fid };

	if (f->blocked)
		return -EAGAIN;
	/* Timers of ours and packets that wait for the sink wake nobody. */
	if (f->ep.wait_fd < 0 || f->nbroken || f->held.head)
		return -ENOTSUP;
	return fi_trywait(f->ep.fabric, fids, 1) == 0 ? f->ep.wait_fd : -EAGAIN;
}

static int fab_arm(struct dvmi_tport *t, struct pollfd *fds, int n)
{
	struct fab *f = fab_of(t);
	int fd;

	switch (state_of(f)) {
	case LOADED:
		return -EAGAIN;
	case LOADING:
		fd = f->loaded_fd;
		break;
	case READY:
		fd = event_fd(f);
		break;
	default:
		return 0;
	}
	if (fd < 0 || n < 1)
		return fd < 0 ? fd : -ENOTSUP;
	fds[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return 1;
}

static void fab_disarm(struct dvmi_tport *t)
{
}

static int fab_flush(struct dvmi_tport *t)
{
	struct fab *f = fab_of(t);
	uint64_t now = dvmi_clock_mono();

	if (state_of(f) != READY)
		return 0;
	if (!f->leaving)
		f->leaving = now;
	return dvmi_fab_tx_farewells(f) && now - f->leaving < BYE_MAX ? -EAGAIN : 0;
}

static void fab_destroy(struct dvmi_tport *t)
{
	struct fab *f = fab_of(t);
	enum state s = state_of(f);

	if (s == LOADING || s == LOADED)
		pthread_join(f->loader, NULL);
	if (s != UNUSED)
		dvmi_fab_ep_close(&f->ep);
	if (f->dropped)
		dvmi_log(f->cfg.log, "net", LOG_WARNING, "%llu foreign packets were dropped",
			 (unsigned long long)f->dropped);
	if (f->loaded_fd >= 0)
		close(f->loaded_fd);
	for (uint32_t i = 0; i < f->cfg.size; i++)
		free(f->peers[i].name);
	free(f->memory);
	free(f->peers);
	free(f);
}

static const struct dvmi_remote_ops fab_ops = {
	.tport = {
		.size = sizeof fab_ops.tport,
		.name = "fab",
		.send = dvmi_fab_tx_send,
		.progress = fab_progress,
		.drain = fab_drain,
		.arm = fab_arm,
		.disarm = fab_disarm,
		.flush = fab_flush,
		.destroy = fab_destroy,
	},
	.likely = dvmi_fab_likely,
	.wanted = fab_wanted,
	.address = dvmi_fab_address,
	.active = fab_active,
};

int dvmi_fab_create(struct dvmi_tport **out, const struct dvmi_remote_config *cfg,
		    const char *provider)
{
	struct fab *f = calloc(1, sizeof *f);

	if (!f)
		return -ENOMEM;
	f->peers = calloc(cfg->size, sizeof *f->peers);
	if (!f->peers) {
		free(f);
		return -ENOMEM;
	}
	f->t = (struct dvmi_tport){
		.ops = &fab_ops.tport,
		.packet_max = PACKET_MAX,
		.eager_max = EAGER_MAX,
		.chunk = PACKET_MAX,
		.sink = cfg->sink,
		.naps = true,
	};
	f->cfg = *cfg;
	f->provider = provider;
	f->end = (struct dvmi_wire_end){
		.key = cfg->key, .self = cfg->self, .size = cfg->size, .len_max = PACKET_MAX
	};
	f->loaded_fd = -1;
	f->held.tail = &f->held.head;
	f->repost.tail = &f->repost.head;
	*out = &f->t;
	return 0;
}
