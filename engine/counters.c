// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a job did, as one line of JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "build/version.h"
#include "counters.h"
#include "json.h"

/* /dev/null and /dev/full, which keep nothing: the numbers are the kernel's for good. */
static bool keeps_nothing(const struct stat *st)
{
	return S_ISCHR(st->st_mode) &&
	       (st->st_rdev == makedev(1, 3) || st->st_rdev == makedev(1, 7));
}

static const char *kind(mode_t mode)
{
	if (S_ISBLK(mode))
		return "block device, whose data would be overwritten";
	if (S_ISCHR(mode))
		return "character device";
	if (S_ISFIFO(mode))
		return "pipe";
	return S_ISDIR(mode) ? "directory" : "socket";
}

static int check_kind(const char *path, const struct stat *st, struct why *why)
{
	if (S_ISREG(st->st_mode) || keeps_nothing(st))
		return 0;
	return why_set(why, -EINVAL, "counters=%s: is a %s; name a regular file, which may be new, "
		       "or /dev/null", path, kind(st->st_mode));
}

int counters_open(const char *path, struct why *why)
{
	struct stat st;
	int fd, ret;

	/* before it is opened: a pipe waits for its reader, and some devices act on that alone */
	if (!stat(path, &st)) {
		ret = check_kind(path, &st, why);
		if (ret)
			return ret;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	if (fd < 0)
		return why_set(why, -errno, "counters=%s: %s", path, strerror(errno));
	/* and what was opened, as the name can stand for another thing by now */
	if (fstat(fd, &st))
		ret = why_set(why, -errno, "counters=%s: fstat: %s", path, strerror(errno));
	else
		ret = check_kind(path, &st, why);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

static void put_key_string(FILE *out, const char *key, const char *value)
{
	fprintf(out, ",\"%s\":", key);
	json_string(out, value);
}

static void put_setup_flags(FILE *out, const struct ring *ring)
{
	const char *name;

	fputs(",\"setup_flags\":[", out);
	for (unsigned int i = 0; (name = ring_flag_name(ring, i)); i++)
		fprintf(out, "%s\"%s\"", i ? "," : "", name);
	fputc(']', out);
}

int counters_write(int fd, const struct counters_job *job, const struct counters *c)
{
	char *line = NULL;
	size_t len = 0;
	ssize_t n;
	FILE *out;
	int ret = 0;

	out = open_memstream(&line, &len);
	if (!out)
		return -ENOMEM;
	fputs("{\"job\":", out);
	json_string(out, job->job);
	fprintf(out, ",\"thread\":%u", job->thread);
	put_key_string(out, "arm", job->arm);
	put_key_string(out, "exporter", job->exporter);
	put_key_string(out, "memory", job->memory);
	put_key_string(out, "device", job->device);
	fprintf(out, ",\"ios\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"eagain\":%" PRIu64,
		c->ios, c->bytes, c->eagain);
	fprintf(out, ",\"short\":%" PRIu64 ",\"errors\":%" PRIu64, c->shorts, c->errors);
	fprintf(out, ",\"mismatches\":%" PRIu64, c->mismatches);
	for (unsigned int i = 0; i < NR_MISMATCHES; i++)
		fprintf(out, ",\"%s\":%" PRIu64, mismatch_name(i), c->classes[i]);
	fprintf(out, ",\"enters\":%lu", job->ring->enters);
	fprintf(out, ",\"pool_bytes\":%zu,\"dmabufs\":%u,\"buffers\":%u", job->pool_bytes,
		job->dmabufs, job->buffers);
	put_setup_flags(out, job->ring);
	put_key_string(out, "engine", ENGINE_VERSION);
	fputs("}\n", out);
	if (fclose(out)) {
		free(line);
		return -ENOMEM;
	}

	n = write(fd, line, len);
	if (n < 0)
		ret = -errno;
	else if ((size_t)n != len)
		ret = -ENOSPC;
	free(line);
	return ret;
}
