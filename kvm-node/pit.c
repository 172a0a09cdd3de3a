/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/pit.h"

#include <string.h>

#define HZ  UINT64_C(1193182)
#define SEC UINT64_C(1000000000)

static uint64_t to_ticks(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * HZ / SEC);
}

static uint64_t to_ns(uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ticks * SEC + HZ - 1) / HZ);
}

static uint32_t reload(const struct vmm_pit_channel *c)
{
	return c->reload ? c->reload : 65536;
}

static bool periodic(const struct vmm_pit_channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

static uint16_t count(const struct vmm_pit_channel *c, uint64_t now)
{
	uint64_t gone = to_ticks(now - c->start);

	if (!c->loaded)
		return 0;
	if (periodic(c))
		return (uint16_t)(reload(c) - gone % reload(c));
	return (uint16_t)(reload(c) - gone);
}

static bool output(const struct vmm_pit_channel *c, uint64_t now)
{
	uint64_t gone = to_ticks(now - c->start);

	if (!c->loaded)
		return c->mode != 0;
	if (c->mode == 3)
		return gone % reload(c) < (reload(c) + 1) / 2;
	return periodic(c) || gone >= reload(c);
}

void vmm_pit_init(struct vmm_pit *p)
{
	memset(p, 0, sizeof *p);
	for (int i = 0; i < 3; i++)
		p->ch[i].access = 3;
}

static uint8_t halves(struct vmm_pit_channel *c, uint16_t v)
{
	if (c->access == 1)
		return (uint8_t)v;
	if (c->access == 2)
		return (uint8_t)(v >> 8);
	c->high_next_read = !c->high_next_read;
	return (uint8_t)(c->high_next_read ? v : v >> 8);
}

uint8_t vmm_pit_read(struct vmm_pit *p, unsigned port, uint64_t now)
{
	if (port > 2)
		return 0xff;
	struct vmm_pit_channel *c = &p->ch[port];
	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	uint8_t v = halves(c, c->latched ? c->latch : count(c, now));
	if (!c->high_next_read)
		c->latched = false;
	return v;
}

static void latch_count(struct vmm_pit_channel *c, uint64_t now)
{
	if (c->latched)
		return;
	c->latch = count(c, now);
	c->latched = true;
}

static void read_back(struct vmm_pit *p, uint8_t value, uint64_t now)
{
	for (int i = 0; i < 3; i++) {
		struct vmm_pit_channel *c = &p->ch[i];
		if (!(value >> (i + 1) & 1))
			continue;
		if (!(value & 0x20))
			latch_count(c, now);
		if (!(value & 0x10)) {
			c->status = (uint8_t)(output(c, now) << 7 | !c->loaded << 6 | c->access << 4 |
					      c->mode << 1);
			c->status_latched = true;
		}
	}
}

static void control(struct vmm_pit *p, uint8_t value, uint64_t now)
{
	if (value >> 6 == 3) {
		read_back(p, value, now);
		return;
	}
	struct vmm_pit_channel *c = &p->ch[value >> 6];
	if (!(value >> 4 & 3)) {
		latch_count(c, now);
		return;
	}
	uint8_t mode = value >> 1 & 7;
	*c = (struct vmm_pit_channel){
		.access = value >> 4 & 3,
		.mode = mode > 5 ? mode & 3 : mode,
	};
}

static void load(struct vmm_pit_channel *c, uint16_t value, uint64_t now)
{
	c->reload = value;
	c->start = now;
	c->loaded = true;
	c->owed = !periodic(c);
}

void vmm_pit_write(struct vmm_pit *p, unsigned port, uint8_t value, uint64_t now)
{
	if (port == 3)
		control(p, value, now);
	if (port > 2)
		return;
	struct vmm_pit_channel *c = &p->ch[port];
	if (c->access == 1) {
		load(c, value, now);
	} else if (c->access == 2) {
		load(c, (uint16_t)(value << 8), now);
	} else if (!c->high_next_write) {
		c->reload = (c->reload & 0xff00) | value;
		c->high_next_write = true;
	} else {
		c->high_next_write = false;
		load(c, (uint16_t)((c->reload & 0xff) | value << 8), now);
	}
}

uint8_t vmm_pit_read61(const struct vmm_pit *p, uint64_t now)
{
	/* Bit 4 toggles with the memory refresh of old; some wait for it. */
	return (uint8_t)((p->port61 & 0xf) | (to_ticks(now) >> 4 & 1) << 4 |
			 output(&p->ch[2], now) << 5);
}

void vmm_pit_write61(struct vmm_pit *p, uint8_t value, uint64_t now)
{
	if (value & 1 && !(p->port61 & 1))
		p->ch[2].start = now; /* the gate opens: it counts from here */
	p->port61 = value & 0xf;
}

uint64_t vmm_pit_next(const struct vmm_pit *p, uint64_t now)
{
	const struct vmm_pit_channel *c = &p->ch[0];

	if (!c->loaded)
		return 0;
	uint64_t gone = to_ticks(now - c->start), period = reload(c);
	if (periodic(c))
		return c->start + to_ns((gone / period + 1) * period);
	return c->owed ? c->start + to_ns(period) : 0;
}

bool vmm_pit_take(struct vmm_pit *p, uint64_t now)
{
	struct vmm_pit_channel *c = &p->ch[0];

	if (!c->loaded || (!periodic(c) && (!c->owed || now < c->start + to_ns(reload(c)))))
		return false;
	c->owed = false;
	return true;
}
