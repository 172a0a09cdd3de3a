/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/steady.h"
#include "libdvm/base/clock.h"

#define BOOT_MAX 64
#define BOOT_ID	 "/proc/sys/kernel/random/boot_id"

static uint64_t since_boot(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * DVMI_SEC + (uint64_t)ts.tv_nsec;
}

static bool read_line(const char *path, char *line, int size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(line, size, f);

	if (f)
		fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

bool dvmd_steady_parse(const char *text, const char *boot, uint64_t *offset)
{
	size_t n = strlen(boot);
	uint64_t value;
	int end = 0;

	if (!n || strncmp(text, boot, n) != 0 || text[n] != ' ' ||
	    sscanf(text + n, " %" SCNu64 "%n", &value, &end) != 1 || text[n + (size_t)end])
		return false;
	*offset = value;
	return true;
}

static void save(const char *path, const char *boot, uint64_t offset)
{
	char fresh[1040];

	snprintf(fresh, sizeof fresh, "%s.new", path);
	FILE *f = fopen(fresh, "we");
	if (!f)
		return;
	fprintf(f, "%s %" PRIu64 "\n", boot, offset);
	if (fclose(f) == 0)
		(void)!rename(fresh, path);
}

void dvmd_steady_open(struct dvmd_steady *s, const char *state_dir)
{
	char path[1024], boot[BOOT_MAX] = "", text[BOOT_MAX + 32] = "";

	snprintf(path, sizeof path, "%s/clock", state_dir);
	if (read_line(BOOT_ID, boot, sizeof boot) && read_line(path, text, sizeof text) &&
	    dvmd_steady_parse(text, boot, &s->offset))
		return;
	s->offset = dvmi_clock_wall() - since_boot();
	if (*boot)
		save(path, boot, s->offset);
}

uint64_t dvmd_steady_now(const struct dvmd_steady *s)
{
	return since_boot() + s->offset;
}

uint64_t dvmd_steady_shown(const struct dvmd_steady *s, uint64_t date)
{
	return date ? date + (dvmi_clock_wall() - dvmd_steady_now(s)) : 0;
}
