/* firmware.build: one target's image from a checked out source tree.
 *
 *   tool's commands, in order ──> size of the ELF file ──> outputs
 *
 * A build that the linker refuses because a region overflows is a result, not a failure: `fits` is
 * false and `overflow_bytes` says by how much.  Any other failure fails the task with the
 * compiler's first complaint. In a container the work folder has the same path as outside, so that
 * all paths hold on both sides.
 *
 * With `reuse` sources and objects live in a tree of the agent (worker/lab/build_tree.h): a new
 * model is one compile and a link, and what was built before is not built again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/steps/firmware_build.h"

static const struct step_param params[] = {
    /* clang-format off */
    {"tool",      FLOW_STRING,   false, "\"make\"",     "what builds it", "make|mbed-cli|mbed-tools|mbed-ce"},
    {"dir",       FLOW_STRING,   false, "\"src\"",      "the source tree; relative to the run's work folder"},
    {"target",    FLOW_STRING,   true,  NULL,           "the board, as the tool calls it"},
    {"header",    FLOW_STRING,   false, NULL,           "header with the model: MODEL_HEADER of the tool"},
    {"program",   FLOW_STRING,   false, "\"firmware\"", "name of the image without .elf"},
    {"profile",   FLOW_STRING,   false, "\"release\"",  "of Mbed's tools", "develop|debug|release"},
    {"build_id",  FLOW_STRING,   false, NULL,           "what the boot banner shows; default: new for each build, with `reuse` made of the content"},
    {"out",       FLOW_STRING,   false, "\"build\"",    "folder of objects and image; relative to the run's work folder"},
    {"args",      FLOW_LIST,     false, "[]",           "further arguments of the tool's (first) command"},
    {"reuse",     FLOW_BOOLEAN,  false, "false",        "keep objects for the next build of this target with these flags, and images by their content"},
    {"jobs",      FLOW_INTEGER,  false, "2",            "compilers at a time"},
    {"container", FLOW_STRING,   false, NULL,           "image to build in; default: this machine"},
    {"engine",    FLOW_STRING,   false, "\"docker\"",   "program that starts containers", "docker|podman"},
    {"timeout",   FLOW_DURATION, false, "1800",         "of each command"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"fits", FLOW_BOOLEAN, "false: a memory region of the target overflows, and there is no image"},
    {"result", FLOW_STRING, "`ok` or `does_not_fit`"},
    {"overflow_bytes", FLOW_INTEGER, "by how much, 0 when it fits"},
    {"overflow_region", FLOW_STRING, "which region, empty when it fits"},
    {"elf", FLOW_STRING, "absolute path of the image; null when it does not fit"},
    {"build_id", FLOW_STRING, "what the boot banner will show"},
    {"reused", FLOW_BOOLEAN, "the image was there already"},
    {"flash_bytes", FLOW_INTEGER, "text + data; null when not known"},
    {"ram_bytes", FLOW_INTEGER, "data + bss; null when not known"},
};

static void next_command(struct step_call *call);

/* ---- what the commands say ---- */

static bool is_complaint(const char *line)
{
    static const char *const marks[] = {
        ": error: ", ": fatal error: ", "undefined reference to", "*** No rule", "*** ",
        "ERROR: ",   "CMake Error",     "ninja: error: "};
    for (size_t i = 0; i < COUNT(marks); i++)
        if (strstr(line, marks[i]))
            return true;
    return false;
}

static void on_line(struct step_call *call, int fd, const char *line)
{
    struct build *b = call->state;
    (void)fd;
    step_log(call, LOG_INFO, "%s", line);
    firmware_size_line(&b->size, line);
    if (!b->complaint[0] && is_complaint(line)) {
        size_t len = strnlen(line, sizeof(b->complaint) - 1);
        memcpy(b->complaint, line, len);
        b->complaint[len] = 0;
    }
}

static json_t *bytes_or_null(int64_t bytes)
{
    return bytes < 0 ? json_null() : json_integer(bytes);
}

static void finish(struct step_call *call)
{
    struct build *b = call->state;
    bool fits = b->size.overflow_bytes == 0;

    if (!fits)
        step_log(call, LOG_WARN, "does not fit: region %s overflows by %lld bytes", b->size.region,
                 (long long)b->size.overflow_bytes);
    step_output(call, "fits", json_boolean(fits));
    step_output(call, "result", json_string(fits ? "ok" : "does_not_fit"));
    step_output(call, "overflow_bytes", json_integer(b->size.overflow_bytes));
    step_output(call, "overflow_region", json_string(b->size.region));
    step_output(call, "elf", fits ? json_string(b->elf) : json_null());
    step_output(call, "build_id", json_string(b->build_id));
    step_output(call, "reused", json_boolean(b->reuse && b->tree.built));
    step_output(call, "flash_bytes", bytes_or_null(b->size.flash_bytes));
    step_output(call, "ram_bytes", bytes_or_null(b->size.ram_bytes));
    step_done(call, ERR_OK);
}

static void on_sized(struct step_call *call, const struct step_exit *how)
{
    const struct build *b = call->state;
    if (how->cancelled)
        step_done(call, step_exit_code(call, "the size of the image", how));
    else if (b->size.flash_bytes < 0)
        step_done(call,
                  err_set(&call->err, IO, "arm-none-eabi-size does not tell the size of %s: %.200s",
                          b->elf, how->last));
    else
        finish(call);
}

static void run_command(struct step_call *call, const char *const *argv,
                        void (*line)(struct step_call *, int, const char *),
                        void (*exited)(struct step_call *, const struct step_exit *))
{
    const struct build *b = call->state;
    enum err_code code = step_exec(call, &(struct step_exec){
                                             .argv = argv,
                                             .cwd = b->dir,
                                             .env = (const char *const[]){"LC_ALL=C", NULL},
                                             .timeout_s = step_number(call, "timeout"),
                                             .keep_fd = b->tree.lock_fd > 0 ? b->tree.lock_fd : 0,
                                             .line = line,
                                             .exited = exited,
                                         });
    if (code)
        step_done(call, code);
}

static void measure_size(struct step_call *call)
{
    const struct build *b = call->state;
    const char **argv = arena_array(call->arena, const char *, BUILD_ARGV_MAX);
    size_t n = build_container(call, argv);

    if (access(b->elf, R_OK)) {
        step_done(call, err_set(&call->err, NOT_FOUND,
                                "%s ended well but left no image %s: is `program` right?",
                                b->tool->name, b->elf));
        return;
    }
    argv[n++] = "arm-none-eabi-size";
    argv[n++] = "-B";
    argv[n] = b->elf;
    run_command(call, argv, on_line, on_sized);
}

static enum err_code failure(struct step_call *call, const struct step_exit *how)
{
    struct build *b = call->state;
    if (how->status && !how->signal && !how->cancelled && !how->timed_out && b->complaint[0])
        return err_set(&call->err, IO, "%s ended with status %d: %s", b->tool->name, how->status,
                       b->complaint);
    return step_exit_code(call, b->tool->name, how);
}

/* ---- the kept tree ---- */

/* The image goes to the run's own folder: the tree belongs to the next build soon. */
static enum err_code collect(struct step_work *work)
{
    struct build *b = work->arg;
    const char *own = arena_printf(work->arena, "%s", b->elf);
    enum err_code code = ERR_OK;
    if (!b->tree.built)
        code = build_tree_keep(&b->tree, b->built_elf, &work->err);
    return code ? code : build_copy(b->tree.image, own, &work->err);
}

static void on_collected(struct step_call *call, enum err_code code)
{
    struct build *b = call->state;
    build_tree_leave(&b->tree);
    if (code)
        step_done(call, code);
    else
        measure_size(call);
}

static void take_image(struct step_call *call)
{
    struct build *b = call->state;
    if (b->reuse && !b->tree.built && access(b->built_elf, R_OK)) {
        b->elf = b->built_elf; /* measure_size() says what is wrong */
        measure_size(call);
    } else if (b->reuse)
        step_work(call, collect, on_collected, b);
    else
        measure_size(call);
}

static void leave_tree(void *tree)
{
    build_tree_leave(tree);
}

/* What tells object trees apart; objects of another compiler are not linked with new ones. */
static const char *tree_key(struct step_call *call)
{
    const struct build *b = call->state;
    char *args = json_dumps(json_object_get(call->with, "args"), JSON_COMPACT);
    const char *container = step_string(call, "container");
    const char *key = arena_printf(call->arena, "%s\n%s\n%s\n%s\n%s\n%s\n%s",
                                   step_string(call, "tool"), step_string(call, "target"),
                                   step_string(call, "profile"), step_string(call, "program"),
                                   args ? args : "", container ? container : "", b->compiler);
    free(args);
    return key;
}

struct entrance {
    struct build_tree_wish wish;
    struct build *build;
};

static enum err_code enter_tree(struct step_work *work)
{
    struct entrance *in = work->arg;
    return build_tree_enter(work->arena, &in->wish, &work->cancelled, &in->build->tree, &work->err);
}

static void begin(struct step_call *call)
{
    const struct build *b = call->state;
    unlink(b->built_elf); /* that of the build before */
    next_command(call);
}

static enum err_code empty_tree(struct step_work *work)
{
    const struct build *b = work->arg;
    return build_tree_empty(&b->tree, &work->err);
}

static void on_emptied(struct step_call *call, enum err_code code)
{
    if (code)
        step_done(call, code);
    else
        begin(call);
}

/* Its exit does not count: mostly there is none of this name. */
static void on_stopped(struct step_call *call, const struct step_exit *how)
{
    if (how->cancelled)
        step_done(call, step_exit_code(call, "the build", how));
    else
        step_work(call, empty_tree, on_emptied, call->state);
}

static void ignore_line(struct step_call *call, int fd, const char *line)
{
    (void)call, (void)fd, (void)line;
}

/* The agent was killed in the middle of a build: its container works on. */
static void stop_container(struct step_call *call)
{
    const struct build *b = call->state;
    const char **argv = arena_array(call->arena, const char *, 5);
    if (!step_string(call, "container")) {
        step_work(call, empty_tree, on_emptied, call->state);
        return;
    }
    argv[0] = step_string(call, "engine");
    argv[1] = "rm";
    argv[2] = "-f";
    argv[3] = build_container_name(call, b);
    argv[4] = NULL;
    run_command(call, argv, ignore_line, on_stopped);
}

static void on_entered(struct step_call *call, enum err_code code)
{
    struct build *b = call->state;
    if (code) {
        step_done(call, code);
        return;
    }
    arena_defer(call->arena, leave_tree, &b->tree);
    if (!b->build_id)
        b->build_id = arena_printf(call->arena, "%.12s", b->tree.content);
    b->elf = arena_printf(call->arena, "%s/%s.elf", b->out, step_string(call, "program"));
    b->dir = b->tree.src;
    b->out = b->tree.out;
    b->header = b->header ? b->tree.header : NULL;
    b->built_elf = build_expand(call, b->tool->elf);
    if (b->tree.built) {
        step_log(call, LOG_INFO, "the image of these sources and this model is there already");
        take_image(call);
    } else if (b->tree.cut_off)
        stop_container(call);
    else
        begin(call);
}

static void on_compiler_line(struct step_call *call, int fd, const char *line)
{
    struct build *b = call->state;
    if (fd == 1 && !b->compiler[0])
        snprintf(b->compiler, sizeof(b->compiler), "%s", line);
}

static void on_compiler(struct step_call *call, const struct step_exit *how)
{
    struct build *b = call->state;
    const char *build_id = b->build_id ? b->build_id : "";
    enum { NOT_FOUND_STATUS = 127 }; /* of a shell: the tool knows its own compiler */
    bool none = how->status == NOT_FOUND_STATUS && !how->signal && !how->cancelled;
    enum err_code code = none ? ERR_OK : step_exit_code(call, "the compiler's version", how);
    if (code) {
        step_done(call, code);
        return;
    }
    if (none)
        b->compiler[0] = 0;
    struct entrance *in = arena_new(call->arena, struct entrance);
    *in = (struct entrance){{call->run->data_dir, tree_key(call), b->dir, b->header, build_id}, b};
    step_work(call, enter_tree, on_entered, in);
}

/* The same tag of a container may hold another compiler tomorrow, and so may this machine. */
static void ask_compiler(struct step_call *call)
{
    const char **argv = arena_array(call->arena, const char *, BUILD_ARGV_MAX);
    size_t n = build_container(call, argv);
    mkdir(call->run->data_dir, 0777); /* a volume of the container: there before the first build */
    mkdir(arena_printf(call->arena, "%s/builds", call->run->data_dir), 0777);
    argv[n++] = "/bin/sh";
    argv[n++] = "-c";
    argv[n++] = "arm-none-eabi-gcc --version";
    argv[n] = NULL;
    run_command(call, argv, on_compiler_line, on_compiler);
}

static void on_built(struct step_call *call, const struct step_exit *how)
{
    struct build *b = call->state;
    bool ended_by_itself = !how->cancelled && !how->timed_out && !how->signal;

    b->command++;
    if (b->reuse && ended_by_itself)
        build_tree_settle(&b->tree);
    if (how->status && ended_by_itself && b->size.overflow_bytes)
        finish(call);
    else if (how->status || !ended_by_itself)
        step_done(call, failure(call, how));
    else if (b->command < BUILD_COMMANDS_MAX && b->tool->commands[b->command][0])
        next_command(call);
    else
        take_image(call);
}

/* Of tools that cannot be told macros, or compile all anew when one changes: one file includes it.
 */
static enum err_code write_note(struct step_call *call)
{
    const struct build *b = call->state;
    const char *path = build_expand(call, b->tool->note);
    FILE *f = fopen(path, "we");
    if (!f)
        return err_set(&call->err, IO, "cannot write %s: %s", path, strerror(errno));
    fprintf(f, "#define BUILD_ID \"%s\"\n", b->build_id);
    if (b->header)
        fprintf(f, "#define MODEL_HEADER \"%s\"\n", b->header);
    return fclose(f) ? err_set(&call->err, IO, "cannot write %s: %s", path, strerror(errno))
                     : ERR_OK;
}

static void next_command(struct step_call *call)
{
    const struct build *b = call->state;
    enum err_code code = b->tool->note && !b->command ? write_note(call) : ERR_OK;
    if (code)
        step_done(call, code);
    else
        run_command(call, build_command(call), on_line, on_built);
}

/* The random end of the task run's id: no two builds show the same banner. */
static const char *new_build_id(struct step_call *call)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(call->task_run_id, text);
    return arena_printf(call->arena, "%s", text + UUID_TEXT_BYTES - 1 - 12);
}

static enum err_code check(struct step_call *call, const struct build *b)
{
    size_t len = b->build_id ? strlen(b->build_id) : 1;
    const char *target = step_string(call, "target");

    if (!len || len > 64 ||
        strspn(b->build_id ? b->build_id : "-",
               "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != len)
        return err_set(&call->err, INVALID,
                       "`build_id` is not 1 to 64 of the characters A-Z a-z 0-9 . _ -: %.80s",
                       b->build_id);
    if (!target[0] || target[0] == '-' || strpbrk(target, " /\t\n$`"))
        return err_set(&call->err, INVALID, "`target` is not the name of a board: %.60s", target);
    if (mkdir(b->out, 0777) && errno != EEXIST)
        return err_set(&call->err, IO, "cannot make the folder %s: %s", b->out, strerror(errno));
    return ERR_OK;
}

static void start(struct step_call *call)
{
    struct build *b = arena_new(call->arena, struct build);
    const char *build_id = step_string(call, "build_id");

    call->state = b;
    b->size = (struct firmware_size)FIRMWARE_SIZE_UNKNOWN;
    b->tool = build_tool(step_string(call, "tool"));
    b->dir = step_path(call, step_string(call, "dir"));
    b->out = step_path(call, step_string(call, "out"));
    b->reuse = step_flag(call, "reuse");
    b->tree = (struct build_tree){.lock_fd = -1, .slot_fd = -1};
    b->build_id = build_id || b->reuse ? build_id : new_build_id(call);
    b->header = step_string(call, "header") ? step_path(call, step_string(call, "header")) : NULL;
    enum err_code code = check(call, b);
    if (code) {
        step_done(call, code);
        return;
    }
    if (b->reuse) {
        ask_compiler(call);
        return;
    }
    b->elf = build_expand(call, b->tool->elf);
    next_command(call);
}

const struct step firmware_build_step = {
    .schema = {.name = "firmware.build",
               .doc = "Builds the firmware of one target and tells its flash and RAM use.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .start = start,
};
