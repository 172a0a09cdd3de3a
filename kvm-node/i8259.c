/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/i8259.h"

#include <string.h>

#include "kvm-node/layout.h"

#define CASCADE	   2u /* the first one's input */
#define SPURIOUS   7u
#define ELCR_FIRST 0xf8u /* the timer, the keyboard and the second one have edges */
#define ELCR_PCI   (3u << (VMM_GSI_PCI - 8)) /* levels, as firmware leaves them */
#define ELCR_LAST  0xdeu /* so do the clock and the coprocessor */

enum { ICW1 = 0x10, ICW1_WANTS_ICW4 = 1, ICW4_AUTO_EOI = 2, ICW4_NESTS = 0x10, OCW3 = 0x08 };
enum { STEP_NONE, STEP_BASE, STEP_CASCADE, STEP_MODE };

void vmm_i8259_init(struct vmm_i8259 *p)
{
	memset(p, 0, sizeof *p);
	for (int i = 0; i < 2; i++)
		p->chip[i] = (struct vmm_i8259_chip){ .imr = 0xff, .lowest = 7 };
	p->chip[1].elcr = ELCR_PCI;
}

/* ---- one chip ---- */

/* Of the inputs in BITS the first by priority: how far behind the first place; 8: none. */
static unsigned rank(const struct vmm_i8259_chip *c, uint8_t bits)
{
	unsigned n = 0;

	while (n < 8 && !(bits >> ((c->lowest + 1 + n) & 7) & 1))
		n++;
	return n;
}

/* The input that interrupts now, or -1: one that is wanted more than what is being served. */
static int wanted(const struct vmm_i8259_chip *c, bool first)
{
	uint8_t served = c->isr;

	if (c->special_mask)
		served &= (uint8_t)~c->imr;
	if (first && c->nests)
		served &= (uint8_t)~(1u << CASCADE);
	unsigned n = rank(c, c->irr & (uint8_t)~c->imr);
	return n < rank(c, served) ? (int)((c->lowest + 1 + n) & 7) : -1;
}

static void set_line(struct vmm_i8259_chip *c, unsigned input, bool level)
{
	uint8_t bit = (uint8_t)(1u << input);
	bool rises = level && !(c->lines & bit);

	c->lines = (uint8_t)(level ? c->lines | bit : c->lines & ~bit);
	if (c->elcr & bit)
		c->irr = (uint8_t)(level ? c->irr | bit : c->irr & ~bit);
	else if (rises)
		c->irr |= bit;
}

static void take(struct vmm_i8259_chip *c, unsigned input)
{
	uint8_t bit = (uint8_t)(1u << input);

	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotates)
		c->lowest = (uint8_t)input;
	if (!(c->elcr & bit))
		c->irr &= (uint8_t)~bit;
}

/* ---- both ---- */

/* What the second one wants is an input of the first one, for as long as it wants it. */
static void join(struct vmm_i8259 *p)
{
	bool wants = wanted(&p->chip[1], false) >= 0;
	uint8_t *irr = &p->chip[0].irr;

	*irr = (uint8_t)(wants ? *irr | 1u << CASCADE : *irr & ~(1u << CASCADE));
}

void vmm_i8259_line(struct vmm_i8259 *p, unsigned irq, bool level)
{
	if (irq >= VMM_I8259_LINES || irq == CASCADE)
		return;
	set_line(&p->chip[irq / 8], irq % 8, level);
	join(p);
}

bool vmm_i8259_asks(const struct vmm_i8259 *p)
{
	return wanted(&p->chip[0], true) >= 0;
}

uint8_t vmm_i8259_ack(struct vmm_i8259 *p)
{
	int input = wanted(&p->chip[0], true), second;

	/* Gone before it was taken: the last input, which is not served. */
	if (input < 0)
		return p->chip[0].base + SPURIOUS;
	take(&p->chip[0], (unsigned)input);
	if (input != CASCADE)
		return (uint8_t)(p->chip[0].base + input);
	second = wanted(&p->chip[1], false);
	if (second >= 0)
		take(&p->chip[1], (unsigned)second);
	join(p);
	return (uint8_t)(p->chip[1].base + (second >= 0 ? (unsigned)second : SPURIOUS));
}

/* ---- ports ---- */

/* Initialisation; the mask is cleared and edges are to come anew. */
static void begin(struct vmm_i8259_chip *c, uint8_t value)
{
	*c = (struct vmm_i8259_chip){
		.lines = c->lines,
		.elcr = c->elcr,
		.irr = c->lines & c->elcr,
		.lowest = 7,
		.step = STEP_BASE,
		.wants_icw4 = value & ICW1_WANTS_ICW4,
	};
}

/* OCW2: ends of interrupts, and who comes last from now on. */
static void end(struct vmm_i8259_chip *c, uint8_t value)
{
	bool specific = value & 0x40, ends = value & 0x20, rotate = value & 0x80;
	unsigned n = rank(c, c->isr), input = specific ? value & 7 : (c->lowest + 1 + n) & 7;

	if (!ends && !specific) {
		c->rotates = rotate;
		return;
	}
	if (!specific && n == 8)
		return; /* nothing is served */
	if (ends)
		c->isr &= (uint8_t)~(1u << input);
	if (rotate)
		c->lowest = (uint8_t)input;
}

static void command(struct vmm_i8259_chip *c, uint8_t value)
{
	if (value & ICW1) {
		begin(c, value);
	} else if (value & OCW3) {
		c->polled = value & 4;
		if (value & 2)
			c->reads_isr = value & 1;
		if (value & 0x40)
			c->special_mask = value & 0x20;
	} else {
		end(c, value);
	}
}

static void data(struct vmm_i8259_chip *c, uint8_t value)
{
	switch (c->step) {
	case STEP_BASE:
		c->base = value & 0xf8;
		c->step = STEP_CASCADE;
		break;
	case STEP_CASCADE: c->step = c->wants_icw4 ? STEP_MODE : STEP_NONE; break;
	case STEP_MODE:
		c->auto_eoi = value & ICW4_AUTO_EOI;
		c->nests = value & ICW4_NESTS;
		c->step = STEP_NONE;
		break;
	default: c->imr = value; break;
	}
}

/* An acknowledgement by reading: bit 7 says whether there was one. */
static uint8_t poll(struct vmm_i8259 *p, unsigned which)
{
	struct vmm_i8259_chip *c = &p->chip[which];
	int input = wanted(c, which == 0);

	c->polled = false;
	if (input < 0)
		return 0;
	take(c, (unsigned)input);
	return (uint8_t)(0x80 | input);
}

uint8_t vmm_i8259_read(struct vmm_i8259 *p, uint16_t port)
{
	if ((port & ~1u) == VMM_I8259_ELCR)
		return p->chip[port & 1].elcr;
	unsigned which = (port & ~1u) == VMM_I8259_SLAVE;
	struct vmm_i8259_chip *c = &p->chip[which];
	if (port & 1)
		return c->imr;
	uint8_t value = c->polled ? poll(p, which) : c->reads_isr ? c->isr : c->irr;
	join(p);
	return value;
}

void vmm_i8259_write(struct vmm_i8259 *p, uint16_t port, uint8_t value)
{
	struct vmm_i8259_chip *c = &p->chip[(port & ~1u) == VMM_I8259_SLAVE];

	if ((port & ~1u) == VMM_I8259_ELCR)
		p->chip[port & 1].elcr = value & (port & 1 ? ELCR_LAST : ELCR_FIRST);
	else if (port & 1)
		data(c, value);
	else
		command(c, value);
	join(p);
}
