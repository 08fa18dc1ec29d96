/* An item of the handle, NULL where it has none. */
#ifndef TMOUT_PAM_MODULE_PAM_ITEM_H
#define TMOUT_PAM_MODULE_PAM_ITEM_H

#include <security/pam_modules.h>
#include <stddef.h>

static inline const void *pam_item(const pam_handle_t *pamh, int type)
{
    const void *value = NULL;

    return pam_get_item(pamh, type, &value) == PAM_SUCCESS ? value : NULL;
}

#endif
