"""Which fields of each type Looker lets one write, and those of which a missing one means null."""

from __future__ import annotations


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


DASHBOARD = words(
    "title description folder_id user_id slug hidden query_timezone refresh_interval preferred_viewer"
    " lookml_link_id load_configuration show_title show_filters_bar filters_bar_collapsed filters_location_top"
    " crossfilter_enabled enable_viz_full_screen alert_sync_with_dashboard_filter_enabled background_color"
    " text_tile_text_color tile_background_color tile_text_color title_color"
)
# A null of the vault says nothing about these: Looker never has none.
NEVER_NULL = words(
    "title folder_id user_id slug hidden filters_bar_collapsed filters_location_top crossfilter_enabled"
    " enable_viz_full_screen alert_sync_with_dashboard_filter_enabled"
)
APPEARANCE = words(
    "page_side_margins page_background_color tile_title_alignment tile_space_between tile_background_color"
    " tile_shadow key_color"
)
TILE = words(
    "type title title_hidden title_text subtitle_text body_text rich_content_json note_text note_state"
    " note_display refresh_interval query_id look_id merge_result_id extension_id aria_description"
)
FILTER = words(
    "name title type default_value model explore dimension row listens_to_filters allow_multiple_values required"
    " ui_config"
)
LAYOUT = words("type active column_width width label description order")
PLACE = words("row column width height")
QUERY = words(
    "model view fields pivots fill_fields filters filter_expression sorts limit column_limit total row_total"
    " subtotals vis_config filter_config visible_ui_sections dynamic_fields query_timezone"
)
LOOK = words("title public is_run_on_load")
SECTION = words("title description")
ITEM = words(
    "lookml_dashboard_id custom_title use_custom_description use_custom_title use_custom_url use_custom_image"
)
USER = words("first_name last_name is_disabled locale models_dir_validated can_manage_api3_creds")
LOGIN = words("email forced_password_reset_at_next_login")
GROUP = words("name can_add_to_content_metadata")
MODEL = words("name project_name allowed_db_connection_names unlimited_db_connections")
PLAN = words(
    "name run_as_recipient lookml_dashboard_id require_results require_no_results require_change"
    " send_all_results include_links include_dashboard_summary show_custom_url pdf_landscape embed long_tables"
    " pdf_page_breaks"
)
PLAN_CLEARED = words(
    "lookml_dashboard_id crontab datagroup timezone filters_string custom_url_base custom_url_params"
    " custom_url_label pdf_paper_size color_theme inline_table_width"
)
DESTINATION = words("format type address message apply_formatting apply_vis")
