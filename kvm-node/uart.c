/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/uart.h"

#include <string.h>

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

#define IER_RX	  0x01
#define IER_TX	  0x02
#define IER_LINE  0x04
#define LCR_DLAB  0x80
#define MCR_LOOP  0x10
#define LSR_DATA  0x01
#define LSR_OVER  0x02
#define LSR_EMPTY 0x60
#define FCR_ON	  0x01
#define FCR_CLEAR 0x02
#define MSR_READY 0xb0 /* carrier, data set ready, clear to send */

enum { IIR_NONE = 1, IIR_TX = 2, IIR_RX = 4, IIR_LINE = 6, IIR_FIFO = 0xc0 };

void vmm_uart_init(struct vmm_uart *u)
{
	u->ier = u->lcr = u->mcr = u->fcr = u->scr = 0;
	u->dll = 1; /* 115200 */
	u->dlm = 0;
	u->sent = u->overrun = false;
	u->rx_len = u->rx_at = 0; /* what was sent before still goes out */
}

static unsigned cause(const struct vmm_uart *u)
{
	if (u->ier & IER_LINE && u->overrun)
		return IIR_LINE;
	if (u->ier & IER_RX && u->rx_len)
		return IIR_RX;
	if (u->ier & IER_TX && u->sent && u->tx_len < VMM_UART_TX)
		return IIR_TX;
	return IIR_NONE;
}

bool vmm_uart_line(const struct vmm_uart *u)
{
	return cause(u) != IIR_NONE;
}

static uint8_t take(struct vmm_uart *u)
{
	if (!u->rx_len)
		return 0;
	uint8_t c = u->rx[u->rx_at];
	u->rx_at = (u->rx_at + 1) % VMM_UART_RX;
	u->rx_len--;
	return c;
}

static uint8_t line_status(struct vmm_uart *u)
{
	uint8_t v = (uint8_t)((u->rx_len ? LSR_DATA : 0) | (u->overrun ? LSR_OVER : 0) |
			      (u->tx_len < VMM_UART_TX ? LSR_EMPTY : 0));

	u->overrun = false;
	return v;
}

/* In loop-back the modem's inputs are its outputs. */
static uint8_t modem_status(const struct vmm_uart *u)
{
	if (!(u->mcr & MCR_LOOP))
		return MSR_READY;
	return (uint8_t)((u->mcr & 2) << 3 | (u->mcr & 1) << 5 | (u->mcr & 4) << 4 |
			 (u->mcr & 8) << 4);
}

static uint8_t identify(struct vmm_uart *u)
{
	unsigned c = cause(u);

	if (c == IIR_TX)
		u->sent = false; /* this look is the answer to it */
	return (uint8_t)(c | (u->fcr & FCR_ON ? IIR_FIFO : 0));
}

uint8_t vmm_uart_read(struct vmm_uart *u, unsigned reg)
{
	switch (reg) {
	case DATA: return u->lcr & LCR_DLAB ? u->dll : take(u);
	case IER: return u->lcr & LCR_DLAB ? u->dlm : u->ier;
	case IIR: return identify(u);
	case LCR: return u->lcr;
	case MCR: return u->mcr;
	case LSR: return line_status(u);
	case MSR: return modem_status(u);
	case SCR: return u->scr;
	default: return 0xff;
	}
}

static void put(struct vmm_uart *u, uint8_t c)
{
	if (u->mcr & MCR_LOOP) {
		vmm_uart_receive(u, &c, 1);
		return;
	}
	if (u->tx_len < VMM_UART_TX)
		u->tx[u->tx_len++] = c;
	else
		u->dropped++;
	u->sent = true;
}

static void write_ier(struct vmm_uart *u, uint8_t value)
{
	/* Being allowed to say so, an empty transmitter says so. */
	if (value & IER_TX && !(u->ier & IER_TX))
		u->sent = true;
	u->ier = value & 0xf;
}

void vmm_uart_write(struct vmm_uart *u, unsigned reg, uint8_t value)
{
	switch (reg) {
	case DATA:
		if (u->lcr & LCR_DLAB)
			u->dll = value;
		else
			put(u, value);
		break;
	case IER:
		if (u->lcr & LCR_DLAB)
			u->dlm = value;
		else
			write_ier(u, value);
		break;
	case IIR:
		u->fcr = value & 0xc9;
		if (value & FCR_CLEAR)
			u->rx_len = u->rx_at = 0;
		break;
	case LCR: u->lcr = value; break;
	case MCR: u->mcr = value & 0x1f; break;
	case SCR: u->scr = value; break;
	default: break;
	}
}

size_t vmm_uart_receive(struct vmm_uart *u, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && u->rx_len < VMM_UART_RX; i++, u->rx_len++)
		u->rx[(u->rx_at + u->rx_len) % VMM_UART_RX] = p[i];
	return i;
}

void vmm_uart_left(struct vmm_uart *u, size_t n)
{
	memmove(u->tx, u->tx + n, u->tx_len - n);
	u->tx_len -= n;
}
