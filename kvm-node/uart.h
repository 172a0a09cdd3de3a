/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A 16550A: registers and interrupt line. Pure; bytes go in and out through two small queues.
 *
 * Sending is instant as long as the queue has room: the transmitter is then always empty, so that
 * a kernel writes 16 bytes per look at the status.
 */
#ifndef VMM_UART_H
#define VMM_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMM_UART_TX 65536u
#define VMM_UART_RX 4096u

struct vmm_uart {
	uint8_t ier, lcr, mcr, fcr, scr, dll, dlm;
	bool sent; /* the transmitter has become empty and nobody has looked */
	bool overrun;
	size_t tx_len, rx_len, rx_at;
	uint64_t dropped;
	uint8_t tx[VMM_UART_TX], rx[VMM_UART_RX];
};

void vmm_uart_init(struct vmm_uart *u);
uint8_t vmm_uart_read(struct vmm_uart *u, unsigned reg);
void vmm_uart_write(struct vmm_uart *u, unsigned reg, uint8_t value);
/* The level of its interrupt line. */
bool vmm_uart_line(const struct vmm_uart *u);

/* Bytes from outside: how many of N were taken. */
size_t vmm_uart_receive(struct vmm_uart *u, const uint8_t *p, size_t n);
/* N of the bytes in tx have left. */
void vmm_uart_left(struct vmm_uart *u, size_t n);

#endif
