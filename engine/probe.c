// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-probe: what this machine can do, and why not. Needs no root and no drive, and changes
 * nothing.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "probe_look.h"

#define PROGRAM		"fio-dmabuf probe"
/* Exit status. */
#define MISUSE		2
#define IMPOSSIBLE	77

static const char usage[] =
	"usage: fio-dmabuf probe [--device DEV] [--json]\n"
	"\n"
	"What this machine can do with dma-bufs and drives: the kernel, exporters, drives, GPUs\n"
	"and which drives they reach, fio; for each no the reason, and after -> what would change\n"
	"it. Needs no root and no drive, and changes nothing.\n"
	"\n"
	"  --device DEV  ask about this drive only: a dma-buf is registered with it, which needs\n"
	"                the right to read it; nothing is read or written\n"
	"  --json        the same as JSON: {SECTION: {NAME: {ok: true, false or null,\n"
	"                FIELD: VALUE, reason:, command:}}}; ok is there where it is a question,\n"
	"                and null where that cannot be told; what does not apply is left out\n"
	"\n"
	"exit status: 0 dma-buf I/O is possible, 2 wrong use, 77 it is not (result says why)\n";

static const char *const needs[PROBE_NEEDS] = {
	[PROBE_NEED_KERNEL]	= "kernel",
	[PROBE_NEED_EXPORTER]	= "exporter",
	[PROBE_NEED_DRIVE]	= "drive",
	[PROBE_NEED_FIO]	= "fio",
};

static int __attribute__((format(printf, 1, 2))) misuse(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, PROGRAM ": ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see " PROGRAM " --help\n");
	return MISUSE;
}

/* The name in sysfs of a whole block device. */
static int find_device(const char *path, char *name, size_t len)
{
	char disk[PROBE_PATH];
	struct stat st;

	if (stat(path, &st))
		return misuse("--device %s: %s", path, strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return misuse("--device %s: is not a block device", path);
	snprintf(disk, sizeof(disk), "/sys/dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	look_link(name, len, "%s", disk);
	if (!*name)
		return misuse("--device %s: %s does not exist", path, disk);
	if (look_number("%s/partition", disk) >= 0) {
		look_link(name, len, "%s/..", disk);
		return misuse("--device %s: is a partition; name the drive, /dev/%s", path, name);
	}
	return 0;
}

/* All needs are to be met; of those that are not, the first gives the reason. */
static bool write_result(struct probe *p)
{
	const struct probe_met *first = NULL;
	struct probe_row row;
	char missing[64] = "";

	for (int i = 0; i < PROBE_NEEDS; i++) {
		size_t len = strlen(missing);

		if (p->needs[i].met)
			continue;
		if (!first)
			first = &p->needs[i];
		snprintf(missing + len, sizeof(missing) - len, "%s%s", len ? ", " : "", needs[i]);
	}

	probe_section(p, "result");
	probe_row(&row, "dmabuf_io");
	probe_says(&row, PROBE_YES, NULL);
	if (first) {
		probe_text(&row, "missing", missing);
		probe_says(&row, PROBE_NO, "%s", first->reason);
		probe_try(&row, "%s", first->command);
	}
	probe_write(p, &row);
	return !first;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct probe p = { 0 };
	char name[PROBE_NAME];
	bool possible;
	int opt, ret;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (opt) {
		case 'd':
			ret = find_device(optarg, name, sizeof(name));
			if (ret)
				return ret;
			p.device = name;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'j':
			p.json = true;
			break;
		case ':':
			return misuse("%s: wants a value", argv[optind - 1]);
		default:
			return misuse("%s: no such option", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return misuse("%s: takes options only", argv[optind]);

	probe_kernel(&p);
	probe_exporters(&p);
	probe_devices(&p);
	probe_software(&p);
	possible = write_result(&p);
	probe_end(&p);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, PROGRAM ": standard output: %s\n", strerror(errno));
		return 1;
	}
	return possible ? 0 : IMPOSSIBLE;
}
