# app/services/event_service.py
from typing import Dict, Any
import socketio
from app.core.logging import get_logger

logger = get_logger(__name__)

class EventService:
    def __init__(self, sio: socketio.AsyncServer):
        self.sio = sio
    
    async def emit_generation_started(self, session_id: str, data: Dict[str, Any]):
        """Emit generation started event."""
        event_data = {
            "session_id": session_id,
            "project_id": data.get("project_id"),
            "total_steps": data.get("total_steps"),
            "estimated_time": data.get("estimated_time"),
            "timestamp": data.get("timestamp")
        }
        
        await self.sio.emit('generation:started', event_data, room=session_id)
        logger.info(f"Emitted generation:started for session {session_id}")
    
    async def emit_generation_step(self, session_id: str, data: Dict[str, Any]):
        """Emit generation step event."""
        event_data = {
            "session_id": session_id,
            "step_id": data.get("step_id"),
            "step_number": data.get("step_number"),
            "total_steps": data.get("total_steps"),
            "status": data.get("status"),
            "progress": data.get("progress"),
            "message": data.get("message"),
            "estimated_remaining": data.get("estimated_remaining"),
            "timestamp": data.get("timestamp")
        }
        
        await self.sio.emit('generation:step', event_data, room=session_id)
        logger.info(f"Emitted generation:step for session {session_id}, step {data.get('step_id')}")
    
    async def emit_preview_updated(self, session_id: str, data: Dict[str, Any]):
        """Emit preview updated event."""
        event_data = {
            "session_id": session_id,
            "step_id": data.get("step_id"),
            "preview_url": data.get("preview_url"),
            "html_content": data.get("html_content"),
            "css_content": data.get("css_content"),
            "js_content": data.get("js_content"),
            "metadata": data.get("metadata"),
            "timestamp": data.get("timestamp")
        }
        
        await self.sio.emit('preview:updated', event_data, room=session_id)
        logger.info(f"Emitted preview:updated for session {session_id}")
    
    async def emit_error(self, session_id: str, error_data: Dict[str, Any]):
        """Emit error event."""
        event_data = {
            "session_id": session_id,
            "error_code": error_data.get("error_code"),
            "error_message": error_data.get("error_message"),
            "retry_available": error_data.get("retry_available", False),
            "timestamp": error_data.get("timestamp")
        }
        
        await self.sio.emit('generation:error', event_data, room=session_id)
        logger.error(f"Emitted error for session {session_id}: {error_data.get('error_message')}")
