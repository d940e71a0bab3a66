"""What power meters disagree about (reference 2.4), and what can happen to them (7.3): the tables of strange_meter."""

# What instruments disagree about: reference 2.4 and the tables of section 1.
DIALECTS = {
    "identity": ["v3pwr", "v3pwr_long", "lpm01a"],
    "binary": ["bin_hexa", "bin_hex", "none"],
    "error": ["err", "error"],
    "threshold": ["currthres", "currthre"],
    "prompt": ["none", "before", "after"],
    "monitor": ["known", "unknown"],          # the command power_monitor
    "control": ["free", "htc"],               # does configuration need `htc` first?
    "line": ["crlf", "crlfcrlf"],             # end of a reply
    "echo": [False, True],
    "first_stamp": [True, False],             # a time stamp before the first sample
    "stamp_word": ["TimeStamp", "Timestamp"],
    "stamp_sign": [" ", ">", "<", ": "],
    "stamp_nul": [True, False],
    "overcurrent_tag": [0xF5, 0xF4],
    "overcurrent_bytes": [8, 4],
    "summary": ["text", "frame", "none"],
    "stop_ack": ["completed", "ack", "none"],
    "version": ["1.0.0", "FW 1.0.7 b2", "V4J4B1P2"],
    "ascii_limit_hz": [10000, 5000, 20000],
    "acqtime_limit_s": [100, 10],
    "pieces": ["batch", "byte", "huge"],      # how the host gets the bytes
    "volt_reply": ["plain", "get"],
    "endless": ["inf", "0", "no"],            # what acqtime takes for it
    "numbers": ["any", "suffix", "plain"],    # 10k, or 10000
    "after_start": ["nothing", "line", "zeros", "prompt"],
    "reply_nul": [False, True],
    "supply": ["any", "pwr on"],              # what makes a current flow
    "temperature": ["known", "unknown", "silent"],
    "after_error": ["goes on", "status"],     # does it take nothing after a refusal until `status` is read?
}


class Dialect:
    def __init__(self, **given):
        for name, values in DIALECTS.items():
            setattr(self, name, given.pop(name, values[0]))
        assert not given, given

    @classmethod
    def drawn(cls, rng, **fixed):
        chosen = {name: rng.choice(values) for name, values in DIALECTS.items()}
        chosen.update(fixed)
        return cls(**chosen)

    def __str__(self):
        return " ".join(f"{k}={getattr(self, k)}" for k in DIALECTS if getattr(self, k) != DIALECTS[k][0]) or "plain"


# name: what a user must see.  `exact` = exit 0, the truth, nothing lost; `warn: X` = that, with a warning that says X;
# `close: X` = warn or refuse X, and within 1e-3 (one changed bit of one sample cannot always be told from a current);
# `refuse: X` = no figure, and the sentence says X; `either: X` = exact or refuse X; `named: X` = warn or refuse X.
# X is a regular expression.
LOST = r"lost|missing|damag|incomplete|suspect|sample count|odd|blocks?|corrupt"
GONE = r"went away|disconnect|unplug|gone|vanish|hang|closed|no longer|stopped sending|I/O"
FAULTS = {
    "none": "exact",
    "unplug_mid_frame": "refuse:" + GONE,
    "unplug_mid_sample": "refuse:" + GONE,
    "unplug_before_stop": "either:" + GONE,
    "reenumerate": "refuse:" + GONE,
    "unplug_in_setup": "refuse:" + GONE + "|does not answer",
    "drop_byte": "refuse:" + LOST,
    "drop_byte_late": "refuse:" + LOST,
    "double_byte": "refuse:" + LOST,
    "drop_sample": "refuse:" + LOST,
    "double_sample": "refuse:" + LOST,
    "drop_block": "refuse:" + LOST + r"|time",
    "double_block": "refuse:" + LOST + r"|time",
    "drop_block_and_stamp": "refuse:" + LOST + r"|time",
    "double_block_and_stamp": "refuse:" + LOST + r"|time|twice|repeat",
    "swap_bytes": "refuse:" + LOST + "|implausib|impossible|above",
    "flip_top_bit": "refuse:" + LOST + "|implausib|impossible|above|single",
    "flip_to_tag": "refuse:" + LOST + "|tag|unknown",
    "flip_in_stamp": "refuse:" + LOST + "|time",
    "flip_stamp_end": "refuse:" + LOST + "|time|frame",
    "odd_chunk_at_start": "either:" + LOST,
    "stamp_missing": "warn:stamp",
    "count_999": "refuse:" + LOST,
    "count_1001": "refuse:" + LOST,
    "f0_before_stamp": "exact",
    "stamp_holds_f0f3": "exact",
    "stamp_wraps": "exact",
    "stamp_back": "refuse:" + LOST + "|time|stamp",
    "stamp_at_odd_time": "exact",
    "overcurrent": "refuse:over-?current",
    "overcurrent_at_30ms": "refuse:over-?current",
    "error_text": "refuse:calibration lost",
    "error_overcurrent_text": "refuse:[oO]vercurrent",
    "unknown_tag_fa": "warn:unknown",
    "unknown_tag_fb": "warn:unknown",
    "unknown_tag_fe": "either:" + LOST + "|unknown|tag",
    "information": "exact",
    "temperature": "exact",
    "power_status": "exact",
    "voltage_ack": "exact",
    "voltage_wrong": "refuse:volt|suppl",
    "brown_out": "refuse:brown|reset|power|suppl|went down",
    "supply_off": "refuse:power|suppl|off",
    "stops_early": "refuse:end|stop|early|before|only",
    "stops_early_silent": "refuse:sending|silent|silence|end|stop|quiet|nothing|no more",
    "half_block_at_end": "exact",
    "stuck": "warn:stuck|constant|one value|same value|never changes",
    "zero": "warn:zero|no current|jumper",
    "first_bias": "exact",
    "step": "exact",
    "drift": "exact",
    "skew_1_percent": "warn:clock|skew|rate|fast|slow",
    "skew_slow_1_percent": "warn:clock|skew|rate|fast|slow",
    "skew_100_ppm": "exact",
    "stamps_skewed": "refuse:clock|time|rate|stamp|" + LOST,
    "residual_prompt": "exact",
    "garbage_before": "exact",
    "unknown_command_first": "exact",
    "was_streaming": "exact",
    "replies_shifted": "either:answer|repl|does not",
    "ack_never_volt": "refuse:volt",
    "ack_never_freq": "refuse:freq",
    "ack_never_start": "refuse:start",
    "ack_never_trigsrc": "refuse:trigsrc",
    "ack_late": "exact",
    "refuses_volt": "refuse:volt",
    "refuses_freq": "refuse:freq",
    "refuses_pwr": "named:pwr|power|suppl",
    "refuses_start": "refuse:start",
    "says_nothing": "refuse:answer|silent|no meter",
    "service_lines": "exact",
    "stale_after_stop": "exact",
    "summary_in_pieces": "exact",
    "no_end_mark": "warn:end mark",
    "stop_ignored": "either:stop",
    "buffer_60": "warn:buffer",
    "buffer_99": "warn:buffer",
    "buffer_overflow": "refuse:buffer|overflow|overrun|interrupted",
    "negative": "refuse:negative|implausib|below|neither",
    "nan": "refuse:" + LOST + "|number|nan|unreadable",
    "five_digits": "exact",
    "unnormalised": "exact",
    "glued": "exact",
    "drop_digit": "refuse:" + LOST + "|unreadable",
    "drop_exponent_digit": "refuse:" + LOST + "|unreadable",
    "text_junk": "refuse:" + LOST + "|unreadable",
    "interrupted_summary": "refuse:interrupted",
    "long_line": "refuse:" + LOST + "|long|unreadable|line",
    "another_device": "refuse:not|no meter|power monitor|unknown",
    "stream_pauses": "either:sending|silent|silence|stop|nothing|no more",
    "event_lines": "exact",
    "stop_while_stamp": "exact",
    "flip_mantissa": "close:alone",
    "flip_digit": "close:alone",
    "drop_digit_of_many": "refuse:" + LOST + "|alone|unreadable",
    "stamp_doubled": "either:" + LOST,
    "stamps_missing_two": "warn:stamp",
    "stamps_missing_all": "refuse:stamp",
    "drop_first_byte": "refuse:" + LOST,
    "echo_in_stream": "exact",
    "service_in_stream": "exact",
    "dim_brown_out": "refuse:brown|falls|zero",
    "stamps_skewed_little": "named:clock|rate|" + LOST,
    "buffer_49": "exact",
    "buffer_50": "warn:buffer",
    "answers_twice": "exact",
    "volt_takes_4s": "exact",
    "deaf_at_first": "exact",
    "ends_at_once": "refuse:end|stop",
    "voltage_wrong_in_stream": "refuse:volt|suppl",
    "unknown_tag_fc": "warn:unknown",
    "overcurrent_then_silence": "refuse:over-?current",
    "overcurrent_in_status": "refuse:over-?current",
    "drains_slowly": "exact",
    "clamps_volt": "refuse:`volt.*3000m",
    "clamps_freq": "refuse:`freq.*answered `ack freq",
    "clamps_freq_silently": "refuse:rate|clock",
    "says_energy": "refuse:output.*energy",
    "tenth_of_the_pace": "warn:slower",
    "twice_the_pace": "warn:faster",
    "flip_in_first_stamp": "either:" + LOST + "|time",
    "flip_in_second_stamp": "refuse:" + LOST + "|time",
    "stamps_end": "either:stamp",
    "stale_long_after_stop": "exact",
}

BINARY_ONLY = {"swap_bytes", "flip_to_tag", "flip_stamp_end", "odd_chunk_at_start", "f0_before_stamp", "stamp_holds_f0f3",
               "stamp_wraps", "unknown_tag_fa", "unknown_tag_fb", "unknown_tag_fe", "information", "unplug_mid_frame",
               "flip_mantissa", "voltage_wrong_in_stream", "unknown_tag_fc", "unnormalised", "drop_byte_late", "flip_top_bit", "flip_in_stamp", "flip_in_first_stamp", "flip_in_second_stamp", "brown_out", "voltage_wrong"}
TEXT_ONLY = {"drop_digit", "drop_exponent_digit", "nan", "five_digits", "glued", "text_junk", "long_line", "negative", "flip_digit",
             "drop_digit_of_many", "service_in_stream"}
