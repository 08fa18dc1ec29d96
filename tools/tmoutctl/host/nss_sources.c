#include "tools/tmoutctl/host/nss_sources.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#ifdef __GLIBC__
#include <nss.h>
#endif

static const struct nss_sources files_alone = {
    .source = {{.name = "files", .ends = NSS_SUCCESS}}, .count = 1, .line = "files"};

bool nss_sources_read(const char *database, struct nss_sources *sources)
{
    char text[NSSWITCH_BYTES_MAX];
    const int found = nsswitch_read(text) == 0 ? nsswitch_parse(text, database, sources) : -1;

    if (found < 0)
        sources->count = 0;
    if (found == 0)
        *sources = files_alone;
    for (size_t i = 0; found > 0 && i < sources->count; i++)
        if ((sources->source[i].ends & ~(unsigned)NSS_SUCCESS) != 0)
            return false;
    return found >= 0;
}

bool nss_file_comes_first(const struct nss_sources *sources)
{
    return sources->count > 0 && strcmp(sources->source[0].name, "files") == 0 &&
           (sources->source[0].ends & NSS_SUCCESS) != 0;
}

bool nss_source_installed(const char *name)
{
    char library[NSS_NAME_MAX + sizeof "libnss_.so.2"];

    if (strcmp(name, "files") == 0)
        return true;
    snprintf(library, sizeof library, "libnss_%s.so.2", name);
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle != NULL)
        dlclose(handle);
    return handle != NULL;
}

void nss_sources_select(const char *database, const char *sources)
{
#ifdef __GLIBC__
    __nss_configure_lookup(database, sources);
#else
    (void)database;
    (void)sources;
#endif
}
