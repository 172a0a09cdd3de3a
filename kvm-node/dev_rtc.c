/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock of a PC with its memory: date and time, which a kernel reads once. No alarm. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kvm-node/devices.h"
#include "libdvm/base/clock.h"

#define BYTES 128

enum { SECONDS = 0, MINUTES = 2, HOURS = 4, WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9,
       REG_A = 10, REG_B = 11, REG_C = 12, REG_D = 13, CENTURY = 0x32 };

#define B_SET	  0x80
#define B_BINARY  0x04
#define B_24H	  0x02
#define D_VALID	  0x80

struct rtc {
	struct vmm_device base;
	pthread_mutex_t lock; /* guards what follows */
	uint8_t index, bytes[BYTES];
	int64_t ahead; /* seconds: what the guest has set, less the host's time */
};

static uint8_t encode(const struct rtc *r, int v)
{
	return (uint8_t)(r->bytes[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static int decode(const struct rtc *r, uint8_t v)
{
	return r->bytes[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 0xf);
}

static time_t host_time(void)
{
	return (time_t)(dvmi_clock_wall() / DVMI_SEC);
}

static void show_time(struct rtc *r)
{
	time_t now = host_time() + r->ahead;
	struct tm tm;

	gmtime_r(&now, &tm);
	r->bytes[SECONDS] = encode(r, tm.tm_sec);
	r->bytes[MINUTES] = encode(r, tm.tm_min);
	r->bytes[HOURS] = encode(r, tm.tm_hour);
	r->bytes[WEEKDAY] = encode(r, tm.tm_wday + 1);
	r->bytes[DAY] = encode(r, tm.tm_mday);
	r->bytes[MONTH] = encode(r, tm.tm_mon + 1);
	r->bytes[YEAR] = encode(r, tm.tm_year % 100);
	r->bytes[CENTURY] = encode(r, 19 + tm.tm_year / 100);
}

static void take_time(struct rtc *r)
{
	struct tm tm = {
		.tm_sec = decode(r, r->bytes[SECONDS]),
		.tm_min = decode(r, r->bytes[MINUTES]),
		.tm_hour = decode(r, r->bytes[HOURS]),
		.tm_mday = decode(r, r->bytes[DAY]),
		.tm_mon = decode(r, r->bytes[MONTH]) - 1,
		.tm_year = decode(r, r->bytes[YEAR]) + (decode(r, r->bytes[CENTURY]) - 19) * 100,
	};

	r->ahead = timegm(&tm) - host_time();
}

static bool is_time(unsigned index)
{
	return (index <= YEAR && index != 1 && index != 3 && index != 5) || index == CENTURY;
}

static uint8_t read_byte(struct rtc *r)
{
	if (is_time(r->index) && !(r->bytes[REG_B] & B_SET))
		show_time(r);
	return r->bytes[r->index];
}

static void write_byte(struct rtc *r, uint8_t v)
{
	if (r->index == REG_C || r->index == REG_D)
		return;
	if (r->index == REG_A)
		v &= 0x7f; /* never in the middle of an update */
	if (r->index == REG_B)
		v = (v & ~0x70) | B_24H; /* no interrupts, no half days */
	bool was_set = r->bytes[REG_B] & B_SET;
	if (is_time(r->index) && !was_set)
		show_time(r);
	r->bytes[r->index] = v;
	if ((is_time(r->index) && !was_set) || (r->index == REG_B && was_set && !(v & B_SET)))
		take_time(r);
}

static void access_ports(void *dev, struct vmm_access *a)
{
	struct rtc *r = dev;

	pthread_mutex_lock(&r->lock);
	if (a->write && a->off == 0)
		r->index = a->data % BYTES;
	else if (a->write)
		write_byte(r, (uint8_t)a->data);
	else
		a->data = a->off ? read_byte(r) : r->index;
	pthread_mutex_unlock(&r->lock);
}

static void reset(struct vmm_device *d)
{
	struct rtc *r = (struct rtc *)d;

	r->bytes[REG_A] = 0x26;
	r->bytes[REG_B] = B_24H;
	r->bytes[REG_D] = D_VALID;
}

static void destroy(struct vmm_device *d)
{
	struct rtc *r = (struct rtc *)d;

	pthread_mutex_destroy(&r->lock);
	free(r);
}

static const struct vmm_device_ops ops = { .reset = reset, .destroy = destroy };
static const struct vmm_bus_ops port_ops = { access_ports };

static int create(const struct vmm_machine *m, struct vmm_device **list, dvm_error_t *err)
{
	static const struct vmm_acpi_device acpi = { .name = "RTC_", .hid = "PNP0B00", .io = 0x70,
						     .io_len = 2 };
	struct rtc *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	vmm_device_add(list, &r->base, &ops, "rtc");
	reset(&r->base);
	int rc = vmm_device_ports(m, "rtc", 0x70, 2, &port_ops, r, err);
	return rc < 0 ? rc : vmm_acpi_add_device(m->acpi, &acpi);
}

const struct vmm_device_kind vmm_dev_rtc = { "clock", create };
