// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-probe: fio, the engine, and whether the one takes the other.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "build/version.h"
#include "probe_look.h"

#define ENGINE		"fio-dmabuf.so"

struct first_line {
	char text[256];
	bool ours;
};

static void keep_first(const char *text, void *arg)
{
	struct first_line *line = arg;

	if (!line->text[0])
		snprintf(line->text, sizeof(line->text), "%s", text);
}

/* Why fio does not take the engine: in the engine's words where it has any, else the first said. */
static void keep_complaint(const char *text, void *arg)
{
	struct first_line *line = arg;
	bool ours = strstr(text, "fio-dmabuf: ");

	if (ours && !line->ours)
		line->text[0] = '\0';
	line->ours |= ours;
	keep_first(text, line);
}

/* Where the engine lies: beside this program when it was built, in lib/ when it was installed. */
static bool find_engine(char *path, size_t len)
{
	static const char *const places[] = { "", "../lib/fio-dmabuf/" };
	char self[PROBE_PATH];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = '\0';
	strrchr(self, '/')[1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(path, len, "%s%s" ENGINE, self, places[i]) < (int)len &&
		    !access(path, R_OK))
			return true;
	}
	snprintf(path, len, "%s" ENGINE, self);
	return false;
}

static bool probe_fio(struct probe *p)
{
	static const char *const argv[] = { CONFIG_FIO, "--version", NULL };
	struct first_line version = { .text = "" };
	struct probe_row row;

	probe_row(&row, "fio");
	probe_text(&row, "path", CONFIG_FIO);
	if (look_run(argv, keep_first, &version)) {
		probe_says(&row, PROBE_NO, "cannot be run");
		probe_try(&row, "install fio, or ./configure --fio=BIN, and make");
		probe_needed(p, PROBE_NEED_FIO, &row);
	} else {
		probe_text(&row, "version", version.text);
		probe_says(&row, PROBE_YES, NULL);
	}
	probe_write(p, &row);
	return row.answer == PROBE_YES;
}

static void probe_engine(struct probe *p, bool fio)
{
	char path[PROBE_PATH + 64], option[sizeof(path) + 16];
	const char *const argv[] = { CONFIG_FIO, option, NULL };
	struct first_line complaint = { .text = "" };
	struct probe_row row;
	bool found = find_engine(path, sizeof(path));

	probe_row(&row, "engine");
	probe_text(&row, "version", ENGINE_VERSION);
	probe_text(&row, "built_for", CONFIG_FIO_VERSION);
	if (found)
		probe_text(&row, "path", path);
	snprintf(option, sizeof(option), "--enghelp=%s", path);
	if (!found) {
		probe_says(&row, PROBE_NO, "%s is not there", path);
		probe_try(&row, "make");
	} else if (!fio) {
		probe_says(&row, PROBE_UNKNOWN, "no fio to try it with");
	} else if (look_run(argv, keep_complaint, &complaint)) {
		probe_says(&row, PROBE_NO, "fio does not take it: %s", complaint.text);
		probe_try(&row, "./configure --fio=BIN, and make");
	} else {
		probe_says(&row, PROBE_YES, NULL);
	}
	probe_needed(p, PROBE_NEED_FIO, &row);
	probe_write(p, &row);
}

void probe_software(struct probe *p)
{
	probe_section(p, "software");
	probe_engine(p, probe_fio(p));
}
