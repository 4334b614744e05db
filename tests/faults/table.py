"""Every fault that histokit promises to survive, and the tests that inject it.

``python tests/faults/table.py > tests/faults/README.md`` writes the table for readers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A fault, what is promised of it, the tests of that, and what is not kept or tested yet."""

    number: str
    fault: str
    promise: str
    tests: tuple[str, ...]
    lacking: str = ""


KILL = "tests/faults/test_kill.py"
SLIDES = "tests/faults/test_kill_slides.py"
KEPT = "tests/run/slide/test_kept.py"
FULL = "tests/faults/test_disk_full.py"
HOSTILE = "tests/faults/test_hostile.py"
ODD = "tests/faults/test_odd_files.py"
DAMAGE = "tests/faults/test_mutations.py"
WAYS = "tests/faults/test_ways.py"
WSI = "tests/faults/test_slides.py"
IMAGES = "tests/io/test_images.py"
INPUT = "tests/run/test_bad_input.py"
RESUME = "tests/run/test_resume.py"
PROMISES = "tests/run/test_promises.py"
STATES = "tests/io/test_checkpoints.py"
RUNS = "tests/io/test_runs.py"
SAFE = "tests/architecture/test_safe.py"
LIMITS = "tests/io/test_limits.py"
SCORES = "tests/metrics/test_scores.py"
CARDS = "tests/registry/test_cards.py"

TABLE = (
    Line(
        "1",
        "`kill -9` at a random moment of training, 50 times",
        "the last good state is never lost; a resumed run is at most `--checkpoint-every` steps "
        "(200) or `--checkpoint-minutes` (10) behind, whichever is less",
        (
            f"{KILL}::test_a_training_killed_many_times_ends_as_if_it_never_was",
            f"{KILL}::test_a_kill_between_the_two_names_of_a_save_loses_nothing",
            f"{RESUME}::test_a_run_of_which_a_kill_left_the_state_before_alone_goes_on_from_it",
            "tests/run/test_sweep.py::test_a_cell_of_which_a_kill_left_the_state_before_alone_is_gone_on_with",
            "tests/run/test_rhythm.py::test_a_slow_training_is_saved_before_its_steps_say_so",
        ),
        "the clock is looked at when losses are logged (`--log-every`, 10 steps); going on is "
        "asked for by `--resume`",
    ),
    Line(
        "2",
        "a run that was stopped and resumed",
        "on the CPU, weights, states and curves equal those of an uninterrupted run bit for bit",
        (
            f"{KILL}::test_a_training_killed_many_times_ends_as_if_it_never_was",
            f"{PROMISES}::test_a_killed_run_resumed_equals_one_that_never_stopped",
            f"{RESUME}::test_adabn_goes_on_in_each_phase",
            f"{RESUME}::test_random_numbers_of_the_steps_go_on",
            f"{RESUME}::test_loading_processes_change_nothing_and_go_on",
            f"{RESUME}::test_two_processes_agree_and_go_on",
        ),
    ),
    Line(
        "3",
        "`kill -9` in the middle of a slide",
        "the same command with `--resume` works out the blocks that are missing, one of them twice "
        "at most; the files are the same byte for byte as without a stop",
        (
            f"{SLIDES}::test_a_slide_killed_twice_ends_as_if_it_never_was",
            f"{KEPT}::test_a_stopped_slide_goes_on_and_ends_the_same",
            f"{KEPT}::test_a_translation_goes_on_and_ends_the_same",
            f"{KEPT}::test_blocks_of_something_else_are_not_used",
            f"{KEPT}::test_a_damaged_block_is_worked_out_again",
            f"{KEPT}::test_a_full_disk_stops_it_and_it_goes_on_later",
        ),
        "on a GPU the last bits of what is computed again are as sure as the GPU's own",
    ),
    Line(
        "4",
        "`kill -9` while a checkpoint or output is written",
        "the old file or the new one, whole; what is left over is removed at the next start; "
        "states and weights carry CRC-32s, and one in which anything changed is refused",
        (
            f"{KILL}::test_no_kill_while_writing_loses_a_checkpoint",
            f"{STATES}::test_a_state_of_which_anything_changed_is_refused_or_the_same",
            f"{STATES}::test_a_record_that_is_said_to_be_a_folder_is_refused",
            f"{STATES}::test_weights_of_which_anything_changed_are_refused_or_the_same",
            f"{RUNS}::test_the_lock_sweeps_left_overs",
            f"{RUNS}::test_atomic_keeps_the_old_file_when_writing_fails",
            "tests/run/test_exchange.py::test_a_model_has_its_name_only_once_it_is_on_the_disk",
            "tests/registry/test_switches.py::test_a_full_disk_leaves_what_was_there_and_no_half",
        ),
        "left-overs in folders of `predict` and `translate` stay (hidden, `.part`); weights of an "
        "older histokit have no checksum and are read as they are",
    ),
    Line(
        "5",
        "disk full in training, prediction and export",
        "stops within one write and names the file; old files whole, no half ones; goes on later",
        (
            f"{FULL}::test_the_old_file_stays_and_nothing_half",
            f"{FULL}::test_a_model_that_is_exported_as_a_folder_is_whole_or_not_there",
            f"{FULL}::test_an_import_is_refused_before_it_fills_the_disk",
            f"{FULL}::test_a_training_stops_keeps_its_state_and_goes_on",
            f"{FULL}::test_predictions_stop_at_once_and_the_good_ones_stay",
            "tests/faults/test_small_disk.py::test_a_training_keeps_its_state_and_goes_on",
            "tests/faults/test_small_disk.py::test_predictions_keep_what_is_done_and_go_on",
            "tests/faults/test_small_disk.py::test_an_export_keeps_the_old_bundle",
            "tests/io/test_stores.py::test_a_disk_that_fills_up_leaves_nothing",
        ),
        "only `data import` asks for room beforehand; how many MiB are lacking is not said",
    ),
    Line(
        "6",
        "checkpoint that is truncated, or of which a bit flipped",
        "is named, and the state before it used, which is said; nothing is trained from half a one",
        (
            f"{INPUT}::test_a_damaged_state_is_told_and_the_one_before_it_used",
            f"{INPUT}::test_a_damaged_run_is_not_resumed",
            f"{STATES}::test_the_state_before_the_last_is_kept_and_used_where_the_last_is_damaged",
            f"{STATES}::test_a_state_with_a_flipped_bit_gives_way_to_the_one_before",
            f"{RESUME}::test_the_first_save_does_not_put_a_damaged_state_in_the_place_of_the_sound_one",
            "tests/io/test_checkpoints.py::test_truncated_and_missing_states_are_told",
        ),
    ),
    Line(
        "7",
        "malicious pickle as checkpoint, weights or array",
        "nothing in a file is ever executed",
        (
            f"{HOSTILE}::test_no_gadget_is_run",
            "tests/io/test_checkpoints.py::test_a_pickle_that_would_run_code_is_refused",
            "tests/io/test_npz.py::test_python_objects_are_refused",
            f"{SAFE}::test_no_file_runs_what_it_reads",
        ),
    ),
    Line(
        "8",
        "hostile metadata: `../`, absolute names, NUL, 1 GB header, NaN shapes, names twice",
        "refused with the path; no output leads out of its folder; sizes are checked first",
        (
            f"{HOSTILE}::test_hostile_headers_are_refused",
            f"{HOSTILE}::test_names_that_lead_elsewhere_are_refused",
            f"{HOSTILE}::test_a_link_out_of_the_folder_is_no_way_out",
            f"{HOSTILE}::test_deep_and_far_values_are_refused",
            f"{HOSTILE}::test_hostile_settings_are_refused",
            "tests/data/test_coco.py::test_a_name_that_leads_out_of_the_folder_is_refused",
            f"{LIMITS}::test_points_of_outlines",
            f"{LIMITS}::test_notes_in_a_picture",
        ),
    ),
    Line(
        "9",
        "archives with `../`, links, devices, bombs",
        "no archive is ever unpacked to disk; what one unpacks to in memory has a limit",
        (
            f"{SAFE}::test_no_file_runs_what_it_reads",
            f"{SAFE}::test_the_scan_sees_each_sin",
            f"{LIMITS}::test_files_at_the_limit_are_read_and_beyond_refused",
            f"{LIMITS}::test_a_bomb_is_refused_before_it_is_in_memory",
            f"{LIMITS}::test_arrays_of_an_archive",
            "tests/run/test_exchange.py::test_too_large",
        ),
        "packed MATLAB and HDF5 files of data sets have no limit of ours",
    ),
    Line(
        "10",
        "truncated and mutated files, flipped byte, zero byte, text",
        "the image is named with its reason, the rest is done, exit 5, `failures.json`; no silent "
        "wrong array in 31 odd files; in 10,000 mutations of 13 kinds of file nothing but a named "
        "refusal or a value of the right kind, which is the true one where the format has a "
        "checksum (PNG, deflated TIFF, weights, states)",
        (
            f"{ODD}::test_no_silent_wrong_array",
            f"{DAMAGE}::test_ten_thousand_damages_are_refused_or_harmless",
            f"{DAMAGE}::test_json_of_a_run_is_refused_or_harmless",
            f"{WSI}::test_damaged_slides_are_refused_or_harmless",
            f"{WSI}::test_what_a_library_does_not_foresee_costs_one_slide",
            f"{IMAGES}::test_cut_files_are_refused_by_name",
            f"{INPUT}::test_damaged_images_are_named_and_the_good_one_is_done",
            "tests/run/test_translate.py::test_a_damaged_image_is_counted_and_the_rest_is_done",
            f"{INPUT}::test_an_image_without_its_mask",
            "tests/cli/test_data_import.py::test_bad_images_are_listed_and_end_with_5",
            f"{WAYS}::test_one_bad_image_of_four_is_named_and_three_are_done",
            f"{WAYS}::test_one_damaged_prediction_of_four_is_named_and_three_are_scored",
            "tests/io/test_labels.py::test_a_damaged_map_is_equal_or_refused_by_name",
            f"{IMAGES}::test_a_tiff_whose_header_is_damaged_is_refused",
        ),
        "JPEG, BMP, npy and other TIFF keep no checksum: a tenth (LZW) to a half (BMP) of their "
        "mutations are read, as other pixels of the right kind; the width in a JPEG is believed",
    ),
    Line(
        "11",
        "16 bits, alpha, CMYK, palette, EXIF, planar, many pages, 1 bit, float",
        "images by stated rules, each told once; masks keep their ids or are refused",
        (
            f"{ODD}::test_no_silent_wrong_array",
            f"{IMAGES}::test_a_kind_of_conversion_is_told_once_to_the_logger",
            f"{IMAGES}::test_masks_that_cannot_be_trusted_are_refused",
            "plugins/baselines/tests/test_translators.py::test_references_are_read_by_the_rules_of_all_images",
        ),
    ),
    Line(
        "12",
        "NaN or infinite loss",
        "stops with step and images; the last good state stays; NaN weights are never saved",
        (
            f"{PROMISES}::test_a_loss_that_is_not_finite_stops_with_step_images_and_state",
            "tests/training/test_updater.py::test_non_finite_loss_changes_nothing",
            "tests/training/test_loop.py::test_nan_names_step_phase_and_images",
            "tests/io/test_checkpoints.py::test_non_finite_state_is_refused_and_the_old_file_kept",
        ),
        "no step is skipped and no rate lowered by itself: training stops at the first",
    ),
    Line(
        "13",
        "out of memory",
        "inference: the batch is halved with the same result, then the window of an image, said "
        "once, else exit 6 and what to lower; training: no step is half done, exit 6 with the "
        "largest batch, by halves, that a step was seen to fit with",
        (
            "tests/run/test_halving.py::test_batches_are_halved_once_for_all_images_and_the_result_is_that_of_one_by_one",
            "tests/run/test_halving.py::test_a_window_that_is_too_much_is_halved_and_the_next_image_begins_anew",
            "tests/run/test_halving.py::test_windows_that_cannot_be_smaller_end_with_what_to_lower",
            "tests/run/test_halving.py::test_a_translation_is_that_of_one_by_one",
            "tests/run/test_fitting.py::test_a_training_is_told_the_batch_and_keeps_its_state",
            "tests/training/test_updater.py::test_memory_that_runs_out_halfway_changes_no_weight",
            f"{INPUT}::test_memory_that_runs_out_in_training",
            f"{INPUT}::test_memory_that_runs_out_in_prediction",
        ),
        "windows of slides and of translations are not halved, nor are the patches on which a "
        "translation measures its statistics; several processes are told no batch",
    ),
    Line(
        "14a",
        "the parent of loading processes is killed",
        "no process of the run is left",
        (f"{KILL}::test_loading_processes_do_not_outlive_their_parent",),
    ),
    Line(
        "14",
        "a loading process is killed",
        "it is started again twice, then training stops and names the images; nothing is lost",
        (
            "tests/data/test_loading.py::test_a_process_that_is_killed_is_started_again",
            "tests/data/test_loading.py::test_images_that_kill_every_process_are_named",
        ),
        "training does not go on without the image",
    ),
    Line(
        "15",
        "a reader that hangs",
        "pipes are refused; an image, or a slide of which a block or the header is not read in "
        "300 s, is named and the rest is done",
        (
            f"{HOSTILE}::test_a_pipe_in_place_of_an_image_is_not_waited_for",
            "tests/io/test_patience.py::test_a_reader_that_hangs_is_given_up_and_others_go_on",
            "tests/io/test_patience.py::test_the_image_is_named_and_the_rest_is_done",
            f"{HOSTILE}::test_a_pipe_in_place_of_a_text_is_not_waited_for",
            f"{WSI}::test_a_pipe_in_place_of_a_slide_is_not_waited_for",
            "tests/io/test_patience.py::test_a_slide_that_hangs_is_given_up_and_not_closed",
            "tests/io/test_patience.py::test_the_slide_is_named_and_the_rest_is_done",
            "tests/io/test_patience.py::test_a_slide_whose_opening_hangs_is_given_up",
        ),
        "files other than images, masks and slides are waited for, as are single calls of "
        "`Slide.region`, of which no command makes any; the thread that waits is "
        "left behind, as no call of the system can be taken back",
    ),
    Line(
        "16",
        "image and mask of different size",
        "found by `data verify` and before training, with both sizes; never resized",
        (
            f"{INPUT}::test_a_mask_of_another_size",
            "tests/data/test_folder.py::test_a_mask_of_another_size_is_refused_and_found",
        ),
    ),
    Line(
        "17",
        "ids with gaps, id 0 only, ids above 65535, one id in two places",
        "scores do not depend on numbering; pieces of one id are one MultiPolygon",
        (
            f"{SCORES}::test_relabelling_changes_nothing",
            "tests/io/test_geojson.py::test_every_awkward_object_is_valid_exact_and_comes_back",
        ),
    ),
    Line(
        "18",
        "empty data set, empty mask, image smaller than a window",
        "a plain message; scores of empty maps are defined",
        (
            f"{INPUT}::test_an_empty_data_set",
            f"{SCORES}::test_one_empty_map_scores_zero",
            "tests/run/test_infer.py::test_any_size_goes_in_and_the_same_comes_out",
        ),
        "two empty maps have no score, rather than 1, so that they do not lift a mean",
    ),
    Line(
        "19",
        "two images of one name",
        "refused before work begins, both named",
        (
            f"{INPUT}::test_images_that_cannot_be_told_apart_or_are_not_there",
            "tests/data/test_folder.py::test_ambiguous_names_are_refused",
        ),
    ),
    Line(
        "20",
        "a plugin that raises at import",
        "the others work; it is listed with its error; using it ends with 4",
        (
            f"{INPUT}::test_a_broken_plugin_breaks_nothing_else",
            f"{CARDS}::test_a_broken_plugin_is_told_and_breaks_nobody",
        ),
    ),
    Line(
        "21",
        "two plugins of one name",
        "refused when that name is used, both named; `distribution:name` selects",
        (f"{CARDS}::test_two_distributions_with_one_name",),
    ),
    Line(
        "22",
        "a plugin that breaks the interface",
        "told at load or at the first batch with the rule; a kit checks it beforehand",
        (
            "tests/run/test_infer.py::test_a_segmenter_that_breaks_its_promise_is_told",
            "tests/run/test_translate.py::test_broken_promises_are_told",
            "tests/training/test_loop.py::test_a_step_that_returns_anything_else_breaks_the_contract",
        ),
    ),
    Line(
        "23",
        "Ctrl-C once or twice, SIGTERM",
        "once: the step ends, the state is saved, exit 130 (tested: within 30 s on a busy "
        "machine); twice: at once, with whole files",
        (
            f"{PROMISES}::test_a_stop_on_request_saves_and_says_how_to_go_on",
            f"{PROMISES}::test_a_second_stop_while_the_first_is_saved_ends_at_once_with_whole_files",
            "tests/run/test_signals.py::test_the_first_signal_asks_and_the_second_passes",
        ),
    ),
    Line(
        "24",
        "an output folder that cannot be written in",
        "told before anything is loaded",
        (f"{INPUT}::test_an_output_folder_that_cannot_be",),
        "how long it takes is not measured; `translate` is not among the commands tried",
    ),
    Line(
        "25",
        "two processes on one run folder",
        "the second ends with 8 and names the first, with its machine; the lock of a dead process "
        "or machine is free, whatever number it had",
        (
            f"{INPUT}::test_a_run_in_use_is_left_alone",
            f"{RUNS}::test_a_second_process_is_refused_and_told_who_holds_it",
            f"{RUNS}::test_a_holder_on_another_machine_is_named_and_not_asked_for_its_process",
            f"{RUNS}::test_what_a_dead_machine_left_holds_nobody_up",
        ),
    ),
    Line(
        "26",
        "paths with spaces, accents, line breaks, 255 bytes, links, relative, read-only input",
        "images are read and results written under such names, or the one image is named",
        (
            f"{WAYS}::test_predictions_under_odd_paths",
            f"{WAYS}::test_translations_under_odd_paths",
            f"{WAYS}::test_scores_under_odd_paths",
            f"{WAYS}::test_a_training_under_odd_paths_goes_on_and_predicts",
            f"{WAYS}::test_an_import_under_odd_paths",
            f"{WAYS}::test_data_under_odd_paths_is_sound",
            f"{WAYS}::test_a_name_too_long_for_an_output_is_named",
        ),
    ),
    Line(
        "27",
        "picture bomb, header bomb, TIFF of a million tiles, circular TIFF",
        "the size is read first; too large is refused before memory is taken",
        (
            f"{IMAGES}::test_bombs_are_refused_from_the_header",
            f"{IMAGES}::test_the_limit_is_exact",
            f"{HOSTILE}::test_a_circle_of_tiff_pages_ends",
            f"{WSI}::test_pages_in_a_circle_end",
            f"{WSI}::test_a_tile_that_fills_the_memory_costs_one_slide",
            f"{WSI}::test_a_tile_that_fills_the_memory_is_refused",
            f"{WSI}::test_a_tile_larger_than_the_file_is_refused",
            f"{WSI}::test_more_pixels_than_any_slide_has_are_refused",
            f"{WSI}::test_a_million_tiles_take_little_memory",
            "tests/io/test_limits.py::test_pixels_of_a_slide",
            "tests/io/test_limits.py::test_tiles_of_a_slide",
            "tests/io/test_limits.py::test_chunks_of_a_slide",
        ),
        "slides may have 10^11 pixels, which no option changes; a tile takes some 100 bytes of "
        "memory beside its pixels",
    ),
    Line(
        "28",
        "an image that vanishes or shrinks while others are read",
        "it is named, the rest is done",
        (
            f"{WAYS}::test_an_image_that_vanishes_is_named_and_the_rest_is_done",
            f"{WSI}::test_a_slide_that_shrinks_under_way_is_named_and_the_rest_is_done",
            f"{WSI}::test_a_slide_that_shrinks_is_named",
        ),
    ),
    Line(
        "29",
        "closed stdout, full log disk, clock that jumps",
        "a reader that left is no error; no duration, speed or result depends on the clock",
        (
            "tests/cli/test_app.py::test_a_reader_that_left_is_met_quietly",
            "tests/faults/test_clock.py::test_a_training_does_not_mind",
        ),
        "log and states share a disk: where it is full the run stops (line 5); the newest run is "
        "told by the name of its folder, which begins with the time",
    ),
    Line(
        "30",
        "files of a newer or older version",
        "every file says its format; another one is refused by number",
        (
            "tests/io/test_runs.py::test_open_refuses_what_is_no_run",
            "tests/io/test_stores.py::test_other_files_are_told",
        ),
        "there is one release of the format so far; runs do not name the version that made them "
        "when refused",
    ),
    Line(
        "31",
        "GeoJSON or JSON whose writing is interrupted",
        "whole or not there; NaN is never written",
        (
            f"{FULL}::test_the_old_file_stays_and_nothing_half",
            "tests/io/test_geojson.py::test_no_number_that_json_lacks_is_written",
        ),
    ),
    Line(
        "32",
        "a machine without a network",
        "nothing is fetched unless it is asked for",
        (
            f"{SAFE}::test_no_file_runs_what_it_reads",
            "tests/faults/test_network.py::test_no_call_is_made",
        ),
        "no code of ours opens a connection; timm and torch-fidelity do where weights of theirs "
        "are asked for",
    ),
)

HEAD = """\
# Faults that histokit is tested against

Each line is a fault, what is promised, and the tests that inject it. What is not kept yet, or not
tested, stands in the last column. This file is made by `python tests/faults/table.py`; a test
compares it with the code. Tests that take minutes are marked `slow`:
`python -m pytest -m slow tests/faults`. A loop of trainings, kills and damage to run for as long
as you like: `python tests/soak.py --minutes 60`.

| # | Fault | Promise | Tests | Not yet |
|---|---|---|---|---|
"""


def page() -> str:
    """The table as Markdown."""
    rows = []
    for line in TABLE:
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in line.tests)
        cells = (line.number, line.fault, line.promise, tests, line.lacking)
        rows.append("| " + " | ".join(cells) + " |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
