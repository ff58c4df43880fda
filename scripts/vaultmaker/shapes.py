"""The attributes of the SDK's classes, in their order: nested objects carry all of them, nulls included."""

from __future__ import annotations

from typing import Any

Content = dict[str, Any]


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


TILE = words(
    """can body_text body_text_as_html dashboard_id dashboard_layout_id edit_uri id look look_id
    lookml_link_id merge_result_id note_display note_state note_text note_text_as_html query query_id
    refresh_interval refresh_interval_to_i result_maker result_maker_id subtitle_text title title_hidden
    title_text type alert_count rich_content_json title_text_as_html subtitle_text_as_html extension_id
    aria_description"""
)
FILTER = words(
    """can id dashboard_id name title type default_value model explore dimension field row
    listens_to_filters allow_multiple_values required ui_config"""
)
FIELD = words(
    """align can_filter category default_filter_value description enumerations field_group_label fill_style
    fiscal_month_offset has_allowed_values hidden is_filter is_numeric label label_from_parameter label_short
    map_layer name strict_value_format requires_refresh_on_sort sortable suggestions tags type
    user_attribute_filter_types value_format view view_label dynamic week_start_day original_view
    dimension_group error field_group_variant measure parameter primary_key project_name scope
    suggest_dimension suggest_explore suggestable is_fiscal is_timeframe can_time_filter time_interval
    lookml_link permanent source_file source_file_path sql sql_case filters times_used"""
)
LAYOUT = words(
    """can id dashboard_id type active column_width width deleted dashboard_title
    dashboard_layout_components label description order"""
)
COMPONENT = words(
    """can id dashboard_layout_id dashboard_element_id row column width height deleted element_title
    element_title_hidden vis_type"""
)
QUERY = words(
    """model view can id fields pivots fill_fields filters filter_expression sorts limit column_limit total
    row_total subtotals vis_config filter_config visible_ui_sections slug dynamic_fields client_id
    share_url expanded_share_url url query_timezone has_table_calculations"""
)
RESULT_MAKER = words(
    """id dynamic_fields filterables sorts merge_result_id total query_id sql_query_id query vis_config"""
)
LOOK = words(
    """can content_metadata_id id title user_id certification_metadata content_favorite_id created_at
    deleted deleted_at deleter_id description embed_url excel_file_url favorite_count
    google_spreadsheet_formula image_embed_url is_run_on_load last_accessed_at last_updater_id
    last_viewed_at model public public_slug public_url query_id short_url folder folder_id updated_at
    user_name view_count query url"""
)
FOLDER = words(
    """name parent_id id content_metadata_id created_at creator_id child_count external_id is_embed
    is_embed_shared_root is_embed_users_root is_personal is_personal_descendant is_shared_root
    is_users_root can"""
)
EXPLORE = words("""name description label hidden group_label""")
CREDENTIALS_EMAIL = words(
    """can created_at email forced_password_reset_at_next_login user_id is_disabled logged_in_at
    password_reset_url account_setup_url password_reset_url_expired account_setup_url_expired type url
    user_url"""
)


def blank(keys: list[str], **given: object) -> Content:
    """Return a nested object: every attribute, null where not given."""
    return dict.fromkeys(keys) | given
