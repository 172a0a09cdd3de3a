/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "kvm-node/msix.h"

enum { ADDR, ADDR_HI, DATA, CONTROL, ENTRY = 16, MASKED = 1 };

void vmm_msix_reset(struct vmm_msix *m)
{
	m->enabled = m->masked = false;
	m->pending = 0;
	memset(m->entry, 0, sizeof m->entry);
	for (unsigned i = 0; i < m->n; i++)
		m->entry[i][CONTROL] = MASKED;
}

static void send(struct vmm_msix *m, unsigned i)
{
	const uint32_t *e = m->entry[i];

	m->pending &= ~(1u << i);
	m->send(m->ctx, (uint64_t)e[ADDR_HI] << 32 | e[ADDR], e[DATA]);
}

static void flush(struct vmm_msix *m)
{
	for (unsigned i = 0; i < m->n && m->enabled && !m->masked; i++)
		if ((m->pending & 1u << i) && !(m->entry[i][CONTROL] & MASKED))
			send(m, i);
}

void vmm_msix_control(struct vmm_msix *m, bool enabled, bool masked)
{
	m->enabled = enabled;
	m->masked = masked;
	flush(m);
}

void vmm_msix_raise(struct vmm_msix *m, unsigned vector)
{
	if (vector >= m->n || !m->enabled)
		return;
	m->pending |= 1u << vector;
	flush(m);
}

bool vmm_msix_message(const struct vmm_msix *m, unsigned vector, uint64_t *addr, uint32_t *data)
{
	if (vector >= m->n || !m->enabled || m->masked || (m->entry[vector][CONTROL] & MASKED))
		return false;
	*addr = (uint64_t)m->entry[vector][ADDR_HI] << 32 | m->entry[vector][ADDR];
	*data = m->entry[vector][DATA];
	return true;
}

static void word(struct vmm_msix *m, uint64_t at, uint32_t *value, bool write)
{
	if (at / ENTRY >= m->n) {
		*value = write ? *value : 0;
		return;
	}
	uint32_t *w = &m->entry[at / ENTRY][at % ENTRY / 4];
	if (!write)
		*value = *w;
	else
		*w = at % ENTRY / 4 == CONTROL ? *value & MASKED : *value;
}

void vmm_msix_table(struct vmm_msix *m, uint64_t at, void *data, unsigned len, bool write)
{
	if (!write)
		memset(data, 0, len);
	if ((len != 4 && len != 8) || at % len)
		return;
	for (unsigned i = 0; i < len; i += 4) {
		uint32_t value;
		memcpy(&value, (char *)data + i, 4);
		word(m, at + i, &value, write);
		memcpy((char *)data + i, &value, 4);
	}
	if (write)
		flush(m);
}

void vmm_msix_pba(const struct vmm_msix *m, uint64_t at, void *data, unsigned len)
{
	uint64_t bits = m->pending;

	memset(data, 0, len);
	if (at < sizeof bits && len <= sizeof bits - at)
		memcpy(data, (char *)&bits + at, len);
}
