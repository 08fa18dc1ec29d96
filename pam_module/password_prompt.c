#include "pam_module/password_prompt.h"

#include "lib/host/checksum.h"
#include "lib/policy/module_args.h"

#include <ctype.h>
#include <libintl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum prompt_kind { PROMPT_PASSWORD, PROMPT_NEW_PASSWORD, PROMPT_SECOND_FACTOR, PROMPT_UNNAMED };

/*
 * Words of prompts, with commas between them: a table of pointers would have to be
 * relocated at each login. Applications such as login and sudo show prompts in the user's
 * language. Letters beyond ASCII are compared as they are. With a blank at its beginning or
 * end, a word has to begin or end one of the text.
 */
static const char password_words[] =
    "password,passphrase,passwd,first factor,passwort,kennwort,passord,adgangskode,lösenord,"
    "wachtwoord,salasana,mot de passe,contraseña,contrasenya,clave,senha,palavra-pas,parola,"
    "hasło,heslo,jelszó,geslo,lozinka,şifre,ароль,арола,κωδικό,パスワード,密码,密碼,口令,암호,"
    "비밀번호";

/* A password that is good for one login is a code. */
static const char one_time_words[] =
    "one-time,one time,onetime, otp , totp , hotp ,oath, token,einmal,"
    "usage unique,un solo uso,monouso,jednoraz,одноразов";

static const char second_factor_words[] =
    "code,kode, kod,código,códig,codice,kód,koodi,код,Код,コード,代码,代碼,코드,验证,驗證,認証,"
    "인증,verif,token,jeton,factor,faktor,facteur,fattore,fator,фактор,因素,要素,challenge,"
    "response,yubi,passkey,security key, fido , u2f ,authenticat, duo , push , sms "
    ",phone,mobile,2fa,"
    "mfa, pin , puk , tan ,captcha,smartcard,smart card,press enter,touch";

static const char new_words[] = " new , neue, nouve, nuev, nuov, nova , novo , nové , nowe ,"
                                " nieuw, nytt , uusi , yeni , új ,новый,Новый,新,새 ";

static const char current_words[] = "current,old password,(old)";

static bool is_letter(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* What follows the word in the text, or NULL. */
static const char *behind_word(const char *text, const char *word, size_t length)
{
    char letters[MODULE_WORD_MAX + 1];
    const bool begins = word[0] == ' ', ends = word[length - 1] == ' ';

    if (length <= (size_t)begins + ends)
        return NULL;
    length -= (size_t)begins + ends;
    memcpy(letters, word + begins, length);
    letters[length] = '\0';
    for (const char *at = text; (at = strcasestr(at, letters)) != NULL; at++)
        if (!(begins && at != text && is_letter(at[-1])) && !(ends && is_letter(at[length])))
            return at + length;
    return NULL;
}

/* What follows the first of these words that the text has, or NULL. */
static const char *behind_any(const char *text, const char *words)
{
    const char *behind = NULL;

    while (behind == NULL && *words != '\0') {
        const size_t length = strcspn(words, ",");
        if (length > 0 && length <= MODULE_WORD_MAX)
            behind = behind_word(text, words, length);
        words += length + (words[length] == ',');
    }
    return behind;
}

static bool has_any(const char *text, const char *words)
{
    return behind_any(text, words) != NULL;
}

/* In the user's language libpam's own prompts are those of its translation. */
static bool is_libpams(const char *text, const char *prompt)
{
    return strcmp(text, dgettext("Linux-PAM", prompt)) == 0;
}

/* "Enter new password: ", but not "Password for the new server: ". At a change, modules
 * say so in more ways. */
static bool is_new_password(const char *text, enum attempt_purpose purpose)
{
    const char *rest = behind_any(text, new_words);

    if (is_libpams(text, "New password: ") || is_libpams(text, "Retype new password: "))
        return true;
    return rest != NULL && (purpose == ATTEMPT_PASSWORD_CHANGE || has_any(rest, password_words) ||
                            has_any(rest, " pin "));
}

static enum prompt_kind kind_of(const char *text, enum attempt_purpose purpose,
                                const char *second_factor)
{
    if ((second_factor != NULL && has_any(text, second_factor)) || has_any(text, one_time_words))
        return PROMPT_SECOND_FACTOR;
    if (is_new_password(text, purpose))
        return PROMPT_NEW_PASSWORD;
    if (is_libpams(text, "Password: ") || is_libpams(text, "Current password: ") ||
        has_any(text, password_words) || has_any(text, current_words))
        return PROMPT_PASSWORD;
    return has_any(text, second_factor_words) ? PROMPT_SECOND_FACTOR : PROMPT_UNNAMED;
}

/* The text as a number. Digits count tries ("2 of 3"): any are the same. */
static uint64_t text_id(const char *text)
{
    uint64_t sum = CHECKSUM_START;

    for (; *text != '\0'; text++) {
        const char c = *text;
        if (!isdigit((unsigned char)c))
            sum = checksum(sum, &c, sizeof c);
        else if (!isdigit((unsigned char)text[1]))
            sum = checksum(sum, "0", 1);
    }
    return sum;
}

static bool was_asked(const struct prompt_history *history, uint64_t id)
{
    const unsigned kept = history->count < PROMPTS_KEPT_MAX ? history->count : PROMPTS_KEPT_MAX;

    for (unsigned i = 0; i < kept; i++)
        if (history->asked[i] == id)
            return true;
    return false;
}

static bool is_another(const struct prompt_history *history, enum prompt_kind kind, uint64_t id)
{
    if (kind == PROMPT_NEW_PASSWORD || (kind == PROMPT_UNNAMED && history->has_new))
        return false;
    if (kind != PROMPT_SECOND_FACTOR)
        return history->has_password;
    return was_asked(history, id) || history->second_factors >= SECOND_FACTORS_MAX ||
           (history->is_replaced && history->has_password);
}

static void add_answer(struct prompt_history *history, enum prompt_kind kind, uint64_t id,
                       const char *text)
{
    if (kind == PROMPT_UNNAMED && !history->has_password && !history->has_new)
        snprintf(history->taken_for_password, sizeof history->taken_for_password, "%s", text);
    if (kind == PROMPT_SECOND_FACTOR)
        history->second_factors++;
    else if (kind == PROMPT_PASSWORD || (kind == PROMPT_UNNAMED && !history->has_new))
        history->has_password = true;
    if (kind != PROMPT_SECOND_FACTOR)
        history->has_new = kind == PROMPT_NEW_PASSWORD;
    history->asked[history->count++ % PROMPTS_KEPT_MAX] = id;
}

void prompts_judge(const struct prompt_history *history, enum attempt_purpose purpose,
                   const char *second_factor, int count, const struct pam_message **message,
                   struct prompt_verdict *verdict)
{
    *verdict = (struct prompt_verdict){.after = *history};
    for (int i = 0; i < count; i++) {
        const char *text = message[i]->msg;
        if (message[i]->msg_style != PAM_PROMPT_ECHO_OFF || text == NULL)
            continue;
        const enum prompt_kind kind = kind_of(text, purpose, second_factor);
        const uint64_t id = text_id(text);
        if (is_another(&verdict->after, kind, id)) {
            verdict->others++;
            if (kind == PROMPT_UNNAMED)
                verdict->unnamed = text;
            else if (kind == PROMPT_PASSWORD && verdict->after.taken_for_password[0] != '\0')
                verdict->unnamed = verdict->after.taken_for_password;
        }
        add_answer(&verdict->after, kind, id, text);
    }
}
