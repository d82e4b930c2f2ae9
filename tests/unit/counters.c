// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines of counters are whole, also where several processes append to one file, and odd
 * names are escaped.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/counters.h"
#include "tests/unit/check.h"

#define JOBS	8
#define LINES	200

int main(void)
{
	char path[] = "/var/tmp/fio-dmabuf-counters-XXXXXX", line[1024];
	struct ring ring = { .setup_flags = IORING_SETUP_SQPOLL, .enters = 77 };
	struct counters c = {
		.ios = 1, .bytes = ~0ULL, .mismatches = 3,
		.classes = { [MISMATCH_STALE] = 2, [MISMATCH_OTHER] = 1 },
	};
	struct counters_job job = {
		.job = "a \"b\" \\ \n c", .thread = 1, .arm = "plain", .exporter = "none",
		.memory = "memfd", .device = "", .pool_bytes = 4096, .buffers = 1, .ring = &ring,
	};
	int status, nr = 0, fd = mkstemp(path);
	struct why why;
	FILE *f;

	check(fd >= 0);
	close(fd);
	for (int i = 0; i < JOBS; i++) {
		if (fork())
			continue;
		fd = counters_open(path, &why);
		check(fd >= 0);
		for (int n = 0; n < LINES; n++)
			check(!counters_write(fd, &job, &c));
		exit(0);
	}
	while (wait(&status) > 0)
		check(status == 0);

	f = fopen(path, "r");
	check(f);
	while (fgets(line, sizeof(line), f)) {
		check(strstr(line, "{\"job\":\"a \\\"b\\\" \\\\ \\u000a c\",") == line);
		check(strstr(line, "\"bytes\":18446744073709551615,"));
		check(strstr(line, "\"mismatches\":3,\"untouched\":0,\"stale\":2,\"shifted\":0,"
			     "\"partial\":0,\"other\":1,"));
		check(strstr(line, "\"setup_flags\":[\"sqpoll\"],"));
		check(strstr(line, "\"enters\":77,"));
		check(!strcmp(line + strlen(line) - 3, "\"}\n"));
		nr++;
	}
	check(nr == JOBS * LINES);
	fclose(f);
	unlink(path);

	check(counters_open("/nonexistent/x", &why) == -ENOENT);
	check(!strcmp(why.text, "counters=/nonexistent/x: No such file or directory"));
	fd = counters_open("/dev/full", &why);
	check(fd >= 0 && counters_write(fd, &job, &c) == -ENOSPC);
	close(fd);
	return 0;
}
