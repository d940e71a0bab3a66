#include "server/model/names.h"

/* clang-format off */
static const char *const adjectives[] = {
    "able", "agile", "airy", "alert", "amber", "ample", "ancient", "apt", "arctic", "ardent",
    "artful", "autumn", "azure", "balmy", "blissful", "bold", "brave", "breezy", "brief", "bright",
    "brisk", "broad", "bronze", "calm", "candid", "careful", "cheerful", "chill", "civil",
    "classic", "clear", "clever", "coastal", "cobalt", "copper", "coral", "cosmic", "cozy",
    "crimson", "crisp", "curious", "dapper", "daring", "deft", "dusky", "eager", "early", "earnest",
    "easy", "elastic", "electric", "elegant", "emerald", "epic", "equal", "fabled", "fair",
    "famous", "fast", "fearless", "fine", "firm", "fleet", "fluent", "fond", "frank", "free",
    "fresh", "frosty", "gentle", "giant", "gilded", "glad", "golden", "grand", "great", "green",
    "hardy", "hasty", "hazel", "hearty", "helpful", "hidden", "honest", "humble", "icy", "indigo",
    "ivory", "jade", "jolly", "keen", "kind", "lasting", "lively", "loyal", "lucid", "lunar",
    "magnetic", "mellow", "merry", "mighty", "mild", "misty", "modest", "mossy", "native", "neat",
    "nimble", "noble", "northern", "novel", "olive", "patient", "placid", "plucky", "polar",
    "polite", "proud", "pure", "quick", "quiet", "radiant", "rapid", "rare", "ready", "regal",
    "robust", "rosy", "royal", "rustic", "sandy", "scarlet", "serene", "sharp", "shiny", "silent",
    "silver", "simple", "sleek", "snowy", "solar", "solid", "spry", "stable", "steady", "stellar",
    "stoic", "sturdy", "subtle", "sunny", "swift", "tender", "tidy", "tranquil", "true", "upbeat",
    "urban", "valiant", "velvet", "verdant", "vivid", "wandering", "warm", "whole", "wild", "windy",
    "wise", "witty", "young", "zesty",
};

static const char *const animals[] = {
    "adder", "albatross", "alpaca", "anteater", "antelope", "armadillo", "auk", "avocet", "badger",
    "barbet", "bat", "beaver", "bee", "beetle", "bison", "bittern", "bobcat", "booby", "buffalo",
    "bulbul", "bunting", "bustard", "butterfly", "buzzard", "camel", "capybara", "caracal",
    "caribou", "cassowary", "catfish", "chamois", "cheetah", "chickadee", "chinchilla", "chipmunk",
    "cicada", "civet", "clam", "cod", "condor", "coot", "cormorant", "cougar", "coyote", "crab",
    "crane", "cricket", "crow", "cuckoo", "curlew", "deer", "dingo", "dolphin", "dormouse", "dove",
    "dragonfly", "duck", "dunlin", "eagle", "echidna", "eel", "egret", "eland", "elephant", "elk",
    "emu", "ermine", "falcon", "ferret", "finch", "firefly", "flamingo", "fox", "frog", "gannet",
    "gazelle", "gecko", "gerbil", "gibbon", "giraffe", "gnu", "goat", "goldfinch", "goose",
    "gopher", "grouse", "gull", "hamster", "hare", "harrier", "hawk", "hedgehog", "heron",
    "herring", "hippo", "hoopoe", "hornet", "horse", "hummingbird", "ibex", "ibis", "iguana",
    "impala", "jackal", "jackdaw", "jaguar", "jay", "kestrel", "kingfisher", "kite", "kiwi",
    "koala", "kudu", "lapwing", "lark", "lemming", "lemur", "leopard", "limpet", "linnet", "lion",
    "lizard", "llama", "lobster", "loon", "lynx", "macaw", "magpie", "mallard", "manatee",
    "mandrill", "marmot", "marten", "martin", "meerkat", "merlin", "mink", "mole", "mongoose",
    "moose", "moth", "mouse", "mussel", "narwhal", "newt", "nightjar", "nuthatch", "ocelot",
    "octopus", "okapi", "opossum", "orca", "oriole", "oryx", "osprey", "ostrich", "otter", "owl",
    "ox", "oyster", "panda", "pangolin", "panther", "parrot", "peacock", "pelican", "penguin",
    "perch", "petrel", "pheasant", "pigeon", "pika", "pike", "pipit", "plover", "polecat", "pony",
    "porcupine", "possum", "puffin", "puma", "quail", "quetzal", "rabbit", "raccoon", "raven",
    "reindeer", "rhino", "robin", "rook", "ruff", "salamander", "salmon", "sandpiper", "seahorse",
    "seal", "serval", "shark", "sheep", "shrew", "shrike", "skua", "skylark", "sloth", "snail",
    "snipe", "sparrow", "spider", "squid", "squirrel", "stag", "starling", "stilt", "stoat",
    "stork", "sturgeon", "swallow", "swan", "swift", "tapir", "teal", "tern", "thrush", "tiger",
    "toad", "tortoise", "toucan", "trout", "turaco", "turtle", "urchin", "viper", "vole", "wagtail",
    "wallaby", "walrus", "warbler", "wasp", "waxwing", "weasel", "whale", "wildebeest", "wolf",
    "wolverine", "wombat", "woodpecker", "wren", "yak", "zebra",
};
/* clang-format on */

const char *random_name(struct arena *a, uint64_t random)
{
    uint64_t high = random >> 32, low = random & UINT32_MAX;

    return arena_printf(a, "%s-%s", adjectives[high * COUNT(adjectives) >> 32],
                        animals[low * COUNT(animals) >> 32]);
}
