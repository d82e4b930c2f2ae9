// SPDX-License-Identifier: GPL-2.0-only
/*
 * dlopen() and dlsym().
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "library.h"

/* Of a file that is not there the loader says so by its name, of what that one needs by another. */
static bool not_there(const char *file, const char *error)
{
	size_t len = strlen(file);

	return !strncmp(error, file, len) && error[len] == ':' && strstr(error, strerror(ENOENT));
}

/* The first that can be loaded, and its name; else the reason of one that is there, if any is. */
static void *open_any(const struct library *library, const char **file, struct why *why)
{
	bool there = false;

	for (unsigned int i = 0; library->files[i]; i++) {
		void *handle = dlopen(library->files[i], RTLD_NOW | RTLD_LOCAL);
		const char *error;

		*file = library->files[i];
		if (handle)
			return handle;
		error = dlerror();
		if (!there && !not_there(*file, error)) {
			why_set(why, -ENOENT, "%s: %s", *file, error);
			there = true;
		} else if (!i) {
			why_set(why, -ENOENT, "%s", error);
		}
	}
	return NULL;
}

static int look_up(const struct library *library, void **table, struct why *why)
{
	const char *file, *name;
	void *handle;

	handle = open_any(library, &file, why);
	if (!handle)
		return -ENOENT;
	for (unsigned int i = 0; (name = library->symbols[i]); i++) {
		void *function = dlsym(handle, name);

		if (!function) {
			dlclose(handle);
			return why_set(why, -ENOSYS, "%s has no %s: it is too old", file, name);
		}
		if (table)
			table[i] = function;
	}
	return 0;
}

int library_look(const struct library *library, struct why *why)
{
	return look_up(library, NULL, why);
}

int library_load(const struct library *library, void **table, struct why *why)
{
	struct why reason;
	int ret = look_up(library, table, &reason);

	if (ret)
		why_set(why, ret, "%.300s; %s", reason.text, library->remedy);
	return ret;
}
